"""Grants and revokes a role: the policy is read, changed as a value, and written back with its etag."""

from __future__ import annotations

import json
import random
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from iam.errors import Conflict, IamError, MalformedPolicy, MalformedResource
from iam.google_clients import ApiCall, explained, patience
from iam.policy.policies import (
    Condition,
    Policy,
    policy_from_json,
    policy_to_json,
    with_member,
    without_member,
)
from iam.policy.principal import normal, parse
from iam.policy.resource import parse_gs
from iam.policy.roles import find
from iam.session import Session
from raydock.errors import NotFound, PermissionDenied

TRIES = 5
TOO_MUCH = ("roles/storage.admin", "roles/owner", "roles/editor", "roles/viewer")
MAY_GRANT = "roles/storage.legacyBucketOwner"  # the least role on a bucket that may set its policy


class PolicyTarget(Protocol):
    """Something that carries a policy."""

    @property
    def where(self) -> str: ...

    def read(self) -> Policy: ...

    def write(self, policy: Policy) -> None:
        """Raises Conflict where the policy is another one by now."""
        ...


@dataclass(frozen=True, slots=True)
class Edit:
    """One member and one role on one bucket; `prefix` limits it to the objects whose names begin so."""

    bucket: str
    role: str
    member: str
    prefix: str = ""
    revoke: bool = False

    def applied(self, policy: Policy) -> Policy:
        """The policy after it."""
        change = without_member if self.revoke else with_member
        return change(policy, self.role, self.member, self.condition(policy))

    def condition(self, policy: Policy = Policy()) -> Condition | None:  # noqa: B008 - frozen
        """The one that is there already, whatever its title, or a new one."""
        if not self.prefix:
            return None
        name = json.dumps(f"projects/_/buckets/{self.bucket}/objects/{self.prefix}", ensure_ascii=False)
        new = Condition(f"resource.name.startsWith({name})", f"objects under {self.prefix}"[:100])
        there = (b.condition for b in policy.bindings if b.role == self.role and b.condition)
        return next((one for one in there if one.expression == new.expression), new)

    @property
    def gcloud(self) -> str:
        """The line of Google's own tool that does the same."""
        verb = "remove" if self.revoke else "add"
        words = ["gcloud", "storage", "buckets", f"{verb}-iam-policy-binding", f"gs://{self.bucket}"]
        words += [f"--member={self.member}", f"--role={self.role}"]
        if condition := self.condition():
            mark = "" if "," not in condition.expression else "^|^"
            pair = f"expression={condition.expression}{'|' if mark else ','}title={condition.title}"
            words.append(f"--condition={mark}{pair}")
        return shlex.join(words)


@dataclass(frozen=True, slots=True)
class Change:
    """A policy before and after."""

    before: Policy
    after: Policy

    def __bool__(self) -> bool:
        return self.before != self.after

    def diff(self) -> list[str]:
        """A line for each member that a binding gains or loses."""
        old, new = list(lines_of(self.before)), list(lines_of(self.after))
        return [f"- {line}" for line in old if line not in new] + [
            f"+ {line}" for line in new if line not in old
        ]


def lines_of(policy: Policy) -> Iterator[str]:
    for binding in policy.bindings:
        when = f" if {binding.condition.expression}" if binding.condition else ""
        yield from (f"{binding.role} {member}{when}" for member in binding.members)


def edit_of(uri: str, role: str, member: str, prefix: str = "", *, revoke: bool = False) -> Edit:
    """The edit that was asked for. Raises Malformed… for what can't be one."""
    bucket, tail = parse_gs(uri)
    parse(member)
    if tail:
        text = f"A role is granted on a bucket, and {uri} is an object or a folder."
        fix = f"python -m iam grant gs://{bucket} --role={role} --member={member} --condition-prefix={tail}"
        raise MalformedResource(text, fix)
    return Edit(bucket, role, member, prefix, revoke)


def require_modest(edit: Edit) -> None:
    """Refused for the roles that give far more than a job needs, UnknownRole for none at all."""
    if not edit.role.startswith(("projects/", "organizations/")):  # custom roles: Google knows them
        find(edit.role)
    if edit.role in TOO_MUCH:
        text = f"{edit.role} gives far more than reading and writing objects; nothing was changed."
        raise PermissionDenied(
            text, "grant roles/storage.objectViewer or roles/storage.objectUser, or add --force"
        )


@dataclass(frozen=True, slots=True)
class BucketPolicyTarget:
    """The policy of a bucket, through google-cloud-storage. `client` is its Client."""

    client: Any
    session: Session
    bucket: str

    @property
    def where(self) -> str:
        return f"gs://{self.bucket}"

    def read(self) -> Policy:
        with explained(self.doing("getIamPolicy", "nothing was changed")):
            bucket = self.client.bucket(self.bucket)
            told = bucket.get_iam_policy(requested_policy_version=3, **patience())
        bindings = [{**one, "members": sorted(one["members"])} for one in told.bindings]
        document = {"version": told.version or 1, "etag": told.etag or "", "bindings": bindings}
        try:
            return policy_from_json(document)
        except MalformedPolicy as fault:
            text = f"The policy of {self.where} can't be understood, so it was not changed: {fault.message}"
            raise IamError(text, fault.fix) from None

    def write(self, policy: Policy) -> None:
        from google.api_core.iam import Policy as GooglePolicy

        document = policy_to_json(policy)
        sent = GooglePolicy(policy.etag, document["version"])
        sent.bindings = document["bindings"]
        with explained(self.doing("setIamPolicy", f"the policy of {self.where} was not changed")):
            self.client.bucket(self.bucket).set_iam_policy(sent, **patience())

    def doing(self, verb: str, undone: str) -> ApiCall:
        grant = f"python -m iam grant {self.where} --role={MAY_GRANT} --member={self.session.who}"
        return ApiCall(
            self.session.who, self.where, undone, f"storage.buckets.{verb}", grant + self.session.flags
        )


def rewrite(
    carrier: PolicyTarget, edit: Callable[[Policy], Policy], dry_run: bool = False, pause: float = 0.1
) -> Change:
    """Read, change, write; again with the fresh policy where it changed meanwhile. `pause` in seconds."""
    for attempt in range(TRIES):
        before = carrier.read()
        change = Change(before, edit(before))
        if dry_run or not change:
            return change
        try:
            carrier.write(change.after)
        except Conflict:
            time.sleep(pause * 2**attempt * random.uniform(0.5, 1))
        else:
            return change
    text = f"The policy of {carrier.where} was changed by somebody else each of {TRIES} times it was written, so "
    raise Conflict(text + "your change is not in it.", "give the same command again")


def carry_out(session: Session, edit: Edit, dry_run: bool) -> Change:
    """The change of the bucket's policy, made unless it is a dry run."""
    from iam.google_clients import storage_client

    carrier = BucketPolicyTarget(storage_client(session), session, edit.bucket)
    try:
        return rewrite(carrier, edit.applied, dry_run)
    except NotFound as fault:
        if fault.message.startswith(carrier.where):
            raise NotFound(fault.message, elsewhere(session)) from None
        lab = "who there is in the lab stands in iam/lab.yaml"
        raise NotFound(
            fault.message, lab if session.buckets else "gcloud iam service-accounts list"
        ) from None


def elsewhere(session: Session) -> str:
    """Which buckets there are."""
    return f"the lab has {', '.join(session.buckets)}" if session.buckets else "gcloud storage ls"


def under_condition(change: Change, edit: Edit) -> str:
    """Why a revoke found nothing, where the member has the role under another condition."""
    for binding in change.before.bindings:
        there = normal(edit.member) in map(normal, binding.members)
        if there and binding.role == edit.role and binding.condition:
            return f"it is held under a condition: {binding.condition.expression}"
    return ""
