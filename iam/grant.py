"""Grant and revoke roles: read the policy, change it as a value, and write it back with its etag."""

from __future__ import annotations

import json
import random
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from iam.errors import Conflict, IamError, MalformedPolicy, MalformedResource
from iam.google_clients import ApiCall, retry_options, translated_errors
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

ATTEMPTS = 5
BROAD_ROLES = ("roles/storage.admin", "roles/owner", "roles/editor", "roles/viewer")
POLICY_ROLE = "roles/storage.legacyBucketOwner"  # the narrowest bucket role that may set the policy


class PolicyTarget(Protocol):
    """A resource that has a policy."""

    @property
    def where(self) -> str:
        """The resource's name in messages."""
        ...

    def read(self) -> Policy:
        """Return the current policy."""
        ...

    def write(self, policy: Policy) -> None:
        """Replace the policy. Raises Conflict if it changed since it was read."""
        ...


@dataclass(frozen=True, slots=True)
class Edit:
    """Grants or revokes one member's role on one bucket, limited to objects whose names start with `prefix`."""

    bucket: str
    role: str
    member: str
    prefix: str = ""
    revoke: bool = False

    def applied(self, policy: Policy) -> Policy:
        """Return the policy after the edit."""
        change = without_member if self.revoke else with_member
        return change(policy, self.role, self.member, self.condition(policy))

    def condition(self, policy: Policy = Policy()) -> Condition | None:  # noqa: B008 - frozen
        """The condition for `prefix`: the policy's existing one with the same expression, else a new one."""
        if not self.prefix:
            return None
        name = json.dumps(f"projects/_/buckets/{self.bucket}/objects/{self.prefix}", ensure_ascii=False)
        new = Condition(f"resource.name.startsWith({name})", f"objects under {self.prefix}"[:100])
        existing = (b.condition for b in policy.bindings if b.role == self.role and b.condition)
        return next((one for one in existing if one.expression == new.expression), new)

    @property
    def gcloud(self) -> str:
        """The gcloud command that makes the same edit."""
        verb = "remove" if self.revoke else "add"
        words = ["gcloud", "storage", "buckets", f"{verb}-iam-policy-binding", f"gs://{self.bucket}"]
        words += [f"--member={self.member}", f"--role={self.role}"]
        if condition := self.condition():
            pair = (f"expression={condition.expression}", f"title={condition.title}")
            words.append(f"--condition={gcloud_dictionary(pair)}")
        return shlex.join(words)


def gcloud_dictionary(pairs: Sequence[str]) -> str:
    """Pairs as the value of a gcloud flag, with a delimiter that none of them contains: `gcloud topic escaping`."""
    text = "".join(pairs)
    delimiter = next(char for char in (",", "|", ";", "~", *map(chr, range(0xA1, 0x500))) if char not in text)
    return ("" if delimiter == "," else f"^{delimiter}^") + delimiter.join(pairs)


@dataclass(frozen=True, slots=True)
class Change:
    """A policy before and after."""

    before: Policy
    after: Policy

    def __bool__(self) -> bool:
        return self.before != self.after

    def diff(self) -> list[str]:
        """One line per member that a binding gains (+) or loses (-)."""
        old, new = list(binding_lines(self.before)), list(binding_lines(self.after))
        return [f"- {line}" for line in old if line not in new] + [
            f"+ {line}" for line in new if line not in old
        ]


def binding_lines(policy: Policy) -> Iterator[str]:
    """One line per role and member of a policy, with the condition."""
    for binding in policy.bindings:
        when = f" if {binding.condition.expression}" if binding.condition else ""
        yield from (f"{binding.role} {member}{when}" for member in binding.members)


def parse_edit(uri: str, role: str, member: str, prefix: str = "", *, revoke: bool = False) -> Edit:
    """Parse the arguments of `grant` or `revoke`. Raises MalformedResource or MalformedPrincipal."""
    bucket, tail = parse_gs(uri)
    parse(member)
    if tail:
        text = f"Roles are granted on buckets, but {uri} is an object or a folder."
        fix = f"python -m iam grant gs://{bucket} --role={role} --member={member} --condition-prefix={tail}"
        raise MalformedResource(text, fix)
    return Edit(bucket, role, member, prefix, revoke)


def refuse_broad_role(edit: Edit) -> None:
    """Raise PermissionDenied for a role that grants far more than a job needs, UnknownRole for an unknown role."""
    if not edit.role.startswith(("projects/", "organizations/")):  # custom roles: only Google knows them
        find(edit.role)
    if edit.role in BROAD_ROLES:
        text = f"{edit.role} allows far more than reading and writing objects; nothing was changed."
        raise PermissionDenied(
            text, "grant roles/storage.objectViewer or roles/storage.objectUser, or pass --force"
        )


@dataclass(frozen=True, slots=True)
class BucketPolicyTarget:
    """The policy of a bucket. `client` is google-cloud-storage's Client."""

    client: Any
    session: Session
    bucket: str

    @property
    def where(self) -> str:
        """The bucket's URI."""
        return f"gs://{self.bucket}"

    def read(self) -> Policy:
        """Return the current policy. Raises IamError if it can't be parsed."""
        with translated_errors(self.api_call("getIamPolicy", "nothing was changed")):
            bucket = self.client.bucket(self.bucket)
            reply = bucket.get_iam_policy(requested_policy_version=3, **retry_options())
        bindings = [{**one, "members": sorted(one["members"])} for one in reply.bindings]
        document = {"version": reply.version or 1, "etag": reply.etag or "", "bindings": bindings}
        try:
            return policy_from_json(document)
        except MalformedPolicy as fault:
            text = f"Could not parse the policy of {self.where}, so it was not changed: {fault.message}"
            raise IamError(text, fault.fix) from None

    def write(self, policy: Policy) -> None:
        """Replace the policy. Raises Conflict if it changed since it was read."""
        from google.api_core.iam import Policy as GooglePolicy

        document = policy_to_json(policy)
        sent = GooglePolicy(policy.etag, document["version"])
        sent.bindings = document["bindings"]
        with translated_errors(self.api_call("setIamPolicy", f"the policy of {self.where} was not changed")):
            self.client.bucket(self.bucket).set_iam_policy(sent, **retry_options())

    def api_call(self, verb: str, consequence: str) -> ApiCall:
        """Describe a call on the bucket's policy for error messages."""
        grant = f"python -m iam grant {self.where} --role={POLICY_ROLE} --member={self.session.who}"
        return ApiCall(
            self.session.who, self.where, consequence, f"storage.buckets.{verb}", grant + self.session.flags
        )


def update_policy(
    target: PolicyTarget, edit: Callable[[Policy], Policy], dry_run: bool = False, pause: float = 0.1
) -> Change:
    """Read, edit and write a policy. Starts over if the policy changed in between, up to ATTEMPTS times.

    `pause` is the first wait between attempts, in seconds; it doubles each time. Raises Conflict.
    """
    for attempt in range(ATTEMPTS):
        before = target.read()
        change = Change(before, edit(before))
        if dry_run or not change:
            return change
        try:
            target.write(change.after)
        except Conflict:
            time.sleep(pause * 2**attempt * random.uniform(0.5, 1))
        else:
            return change
    raise Conflict(
        f"The policy of {target.where} changed concurrently on each of {ATTEMPTS} attempts, so your change was "
        "not saved.",
        "run the command again",
    )


def apply_edit(session: Session, edit: Edit, dry_run: bool) -> Change:
    """Edit the bucket's policy; a dry run only computes the change. Raises NotFound for an unknown bucket or member."""
    from iam.google_clients import storage_client

    target = BucketPolicyTarget(storage_client(session), session, edit.bucket)
    try:
        return update_policy(target, edit.applied, dry_run)
    except NotFound as fault:
        if fault.message.startswith(target.where):
            raise NotFound(fault.message, list_buckets(session)) from None
        lab = "iam/lab.yaml lists the lab's principals"
        raise NotFound(
            fault.message, lab if session.buckets else "gcloud iam service-accounts list"
        ) from None


def list_buckets(session: Session) -> str:
    """The fix for an unknown bucket: the lab's buckets, or the command that lists those of Google Cloud."""
    return f"buckets in the lab: {', '.join(session.buckets)}" if session.buckets else "gcloud storage ls"


def conditional_grant(change: Change, edit: Edit) -> str:
    """Why a revoke changed nothing although the member holds the role: the grant has a condition."""
    for binding in change.before.bindings:
        is_member = normal(edit.member) in map(normal, binding.members)
        if is_member and binding.role == edit.role and binding.condition:
            return f"However, the role is granted with a condition: {binding.condition.expression}"
    return ""
