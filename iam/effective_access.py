"""Reports who may do what on a bucket: one row per member of its policies, decided by the evaluator."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from iam.check import policies_of
from iam.policy.evaluate import Decision, Policies, Verdict, decide
from iam.policy.membership import Directory, matches
from iam.policy.policies import Condition
from iam.policy.principal import normal
from iam.policy.required_permissions import Operation, RequiredPermission, is_prefix
from iam.policy.resource import parse_gs
from iam.policy.roles import roles
from iam.policy.ternary import Ternary
from iam.policy_reader import PolicyReader
from iam.session import Session
from raydock.errors import NotFound, PermissionDenied

SET_POLICY = "set policy"
COLUMNS: dict[str, tuple[Operation, tuple[str, ...]]] = {
    "read": (Operation.READ, Operation.READ.permissions),
    "list": (Operation.LIST, Operation.LIST.permissions),
    "write": (Operation.CREATE, Operation.CREATE.permissions),
    "overwrite": (Operation.OVERWRITE, Operation.OVERWRITE.permissions),
    "delete": (Operation.DELETE, Operation.DELETE.permissions),
    SET_POLICY: (Operation.GET_BUCKET, ("storage.buckets.setIamPolicy",)),
}
WORST_FIRST = (Verdict.DENIED, Verdict.UNKNOWN, Verdict.GRANTED)


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that a member holds.

    where: "bucket" or "project"
    through: the binding's member, such as a group, if it differs from the principal; else ""
    """

    role: str
    where: str
    through: str = ""
    condition: Condition | None = None

    def __str__(self) -> str:
        through = f", as {self.through}" if self.through else ""
        when = f", if {self.condition.title or self.condition.expression}" if self.condition else ""
        return f"{self.role} ({self.where}{through}{when})"


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One member: a remark for the reader, its roles, and the decision for each column."""

    member: str
    remark: str
    held: tuple[HeldRole, ...]
    may: dict[str, Decision]


@dataclass(frozen=True, slots=True)
class AccessReport:
    """Who may do what on a bucket. `notes` lists the policies that could not be read."""

    uri: str
    project: str
    rows: tuple[AccessRow, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The document that `python -m iam show --json` prints."""
        return {
            "version": 1,
            "resource": self.uri,
            "project": self.project,
            "members": [row_json(row) for row in self.rows],
            "notes": list(self.notes),
        }


def row_json(row: AccessRow) -> dict[str, Any]:
    """One member of the JSON document."""
    held = [
        {
            "role": one.role,
            "where": one.where,
            "through": one.through,
            "condition": one.condition.expression if one.condition else "",
        }
        for one in row.held
    ]
    may = {name: {"verdict": d.verdict.value, "why": d.why} for name, d in row.may.items()}
    return {"member": row.member, "remark": row.remark, "roles": held, "may": may}


async def access_report(uri: str, session: Session, reader: PolicyReader) -> AccessReport:
    """Report who may do what. Raises NotFound, or PermissionDenied if the caller may not read the bucket's policy."""
    bucket, _ = parse_gs(uri)
    policies = await policies_of(bucket, reader)
    if isinstance(policies, NotFound):
        from iam.grant import list_buckets

        raise NotFound(f"gs://{bucket} does not exist.", list_buckets(session))
    if policies.bucket is None:
        text = f"{session.who} lacks storage.buckets.getIamPolicy on gs://{bucket}, so its policy can't be shown."
        raise PermissionDenied(
            text, f"python -m iam check {uri}{session.flags}  # checks only the job's identity"
        )
    rows = tuple(access_row(member, uri, session, policies) for member in members_of(policies, session))
    return AccessReport(uri, policies.project_id, rows, tuple(notes_of(policies)))


def members_of(policies: Policies, session: Session) -> list[str]:
    """The job principal and the caller, then every member of a binding related to storage."""
    named = [one for one in (session.job, session.caller) if one]
    for _, binding in bindings_of(policies):
        named += sorted(binding.members)
    found: dict[str, str] = {}
    for one in named:
        found.setdefault(normal(one), one)
    return list(found.values())


def bindings_of(policies: Policies) -> Iterator[tuple[str, Any]]:
    """The bucket's bindings, and the project's bindings of unknown roles and of roles with storage permissions."""
    for binding in policies.bucket.bindings if policies.bucket else ():
        yield "bucket", binding
    for binding in policies.project.bindings if policies.project else ():
        role = roles().get(binding.role)
        if role is None or any(held.startswith("storage.") for held in role.permissions):
            yield "project", binding


def access_row(member: str, uri: str, session: Session, policies: Policies) -> AccessRow:
    """The row of one member."""
    remarks = {normal(session.caller): "you", normal(session.job): "jobs run as this"}
    may = {column: verdict_of(member, uri, column, policies) for column in COLUMNS}
    return AccessRow(member, remarks.get(normal(member), ""), tuple(held_by(member, policies)), may)


def held_by(member: str, policies: Policies) -> Iterator[HeldRole]:
    """The roles that a member holds, each with the group or set through which it holds the role."""
    directory = Directory(None, policies.project, policies.project_id)
    for where, binding in bindings_of(policies):
        for one in binding.members:
            if normal(one) == normal(member) or matches(member, one, directory) is Ternary.TRUE:
                through = "" if normal(one) == normal(member) else one
                yield HeldRole(binding.role, where, through, binding.condition)


def verdict_of(member: str, uri: str, column: str, policies: Policies) -> Decision:
    """The worst decision among a column's permissions."""
    operation, permissions = COLUMNS[column]
    name, tail = parse_gs(uri)
    tail = tail.partition("*")[0] if is_prefix(uri) else tail
    need = RequiredPermission(uri, name, tail, operation, permissions, "")
    now = datetime.datetime.now(datetime.timezone.utc)
    prefix = tail if operation is Operation.LIST else None
    decisions = [
        decide(member, permission, need.resource, policies, now=now, list_prefix=prefix)
        for permission in permissions
    ]
    return min(decisions, key=lambda one: WORST_FIRST.index(one.verdict))


def notes_of(policies: Policies) -> Iterator[str]:
    """The policies that could not be read, and what is unknown as a result."""
    where = f"project {policies.project_id}" if policies.project_id else "the bucket's project"
    if policies.project is None:
        yield f"The policy of {where} could not be read, so its grants are unknown."
    if policies.deny is None:
        yield f"The deny policies of {where} could not be read, so no grant is certain."
    if policies.project is not None and not policies.complete:
        yield f"The policies of the folders and the organization above {where} were not read."
