"""May the identity that a job runs as do what the job needs? Asked before the job is sent.

Two sources, put together. What Google says to the identity itself (`testIamPermissions`, by impersonating it
or from inside the cluster) holds for a bucket as a whole; a condition may say otherwise for some objects of
it. What the policies say (iam/policy/evaluate.py) holds for the very object, as far as the caller can see them.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from iam.policy import resource as resources
from iam.policy.evaluate import Decision, Policies, Verdict, decide
from iam.policy.least_role import Grant, mends_for
from iam.policy.principal import email, is_custom_account
from iam.policy.required_permissions import Operation, RequiredPermission
from iam.policy.resource import Resource
from iam.policy_reader import PolicyReader
from raydock.errors import NotFound

POLICIES, ITSELF, CLUSTER = "by the policies", "asked as the identity itself", "asked from inside the cluster"
TOLD_YES = "Google says that it has it on the bucket"
TOLD_NO = "Google says that it does not have it on the bucket"
Held = Mapping[str, frozenset[str]]  # permissions that the identity said it has, by bucket


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict about everything that one declaration needs of one URI.

    `missing` are the permissions that are denied, or not known to be granted; `how` is the source.
    """

    uri: str
    because: str
    operations: tuple[Operation, ...]
    principal: str
    verdict: Verdict
    missing: tuple[str, ...]
    why: str
    how: str
    fixes: tuple[Grant, ...] = ()


async def check(
    principal: str, needs: Sequence[RequiredPermission], asker: PolicyReader, from_cluster: Held | None = None
) -> list[Outcome]:
    """One outcome for each URI. Raises IamError where nothing can be asked at all.

    from_cluster: what a probe on the cluster was told; then the identity is not impersonated.
    """
    buckets = sorted({need.bucket for need in needs})
    held_now = asyncio.create_task(held_by_itself(principal, needs, asker)) if from_cluster is None else None
    read = await asyncio.gather(*(policies_of(bucket, asker) for bucket in buckets))
    held = await held_now if held_now else from_cluster
    how = ITSELF if held_now else CLUSTER
    policies = dict(zip(buckets, read, strict=True))
    groups: dict[str, list[RequiredPermission]] = {}
    for need in needs:
        groups.setdefault(need.uri, []).append(need)
    return [outcome(principal, group, policies[group[0].bucket], held, how) for group in groups.values()]


async def held_by_itself(
    principal: str, needs: Sequence[RequiredPermission], asker: PolicyReader
) -> Held | None:
    """What the identity has, asked as itself. None for a service agent: nobody can be one."""
    address = email(principal)
    itself = await asker.impersonate(address) if is_custom_account(address) else None
    if itself is None:
        return None
    wanted: dict[str, set[str]] = {}
    for need in needs:
        wanted.setdefault(need.bucket, set()).update(need.permissions)
    try:
        found = await asyncio.gather(*(itself.held(bucket, asked) for bucket, asked in wanted.items()))
    except NotFound:
        return None  # the bucket is not there: its policies' turn to say so
    return dict(zip(wanted, found, strict=True))


async def policies_of(bucket: str, asker: PolicyReader) -> Policies | NotFound:
    """All that the caller can see that decides about a bucket; NotFound where there is no such bucket."""
    try:
        own, number = await asyncio.gather(asker.bucket_policy(bucket), asker.bucket_project(bucket))
    except NotFound as fault:
        return fault
    if number is None:
        return Policies(own, None, "", None, complete=False)
    project, policy = await asyncio.gather(asker.project(number), asker.project_policy(number))
    name = project.id if project else number
    deny = await asker.deny_rules(name)
    return Policies(own, policy, name, deny, complete=project is not None and not project.has_parent)


def outcome(
    principal: str,
    needs: Sequence[RequiredPermission],
    policies: Policies | NotFound,
    held: Held | None,
    how: str,
) -> Outcome:
    """What all operations on one URI come to: denied if one is, unknown if one is."""
    first = needs[0]
    operations = tuple(need.operation for need in needs)
    because = "; ".join(dict.fromkeys(need.because for need in needs))
    if isinstance(policies, NotFound):
        why = f"there is no bucket gs://{first.bucket}"
        missing = tuple(permission for need in needs for permission in need.permissions)
        return Outcome(first.uri, because, operations, principal, Verdict.DENIED, missing, why, how)
    answers = [
        answer(principal, permission, need, policies, held)
        for need in needs
        for permission in need.permissions
    ]
    for verdict in (Verdict.DENIED, Verdict.UNKNOWN):
        worst = [one for one in answers if one.verdict is verdict]
        if worst:
            missing = tuple(dict.fromkeys(one.permission for one in worst))
            fixes = (
                () if worst[0].where == "deny policy" else mends_for(principal, missing, needs[0].resource)
            )
            source = POLICIES if held is None else how
            return Outcome(
                first.uri, because, operations, principal, verdict, missing, worst[0].why, source, fixes
            )
    source = POLICIES if held is None else how
    return Outcome(first.uri, because, operations, principal, Verdict.GRANTED, (), answers[0].why, source)


def answer(
    principal: str, permission: str, need: RequiredPermission, policies: Policies, held: Held | None
) -> Decision:
    """The policies' decision, put together with what the identity itself was told, where it was."""
    prefix = need.object_name if need.operation is Operation.LIST else None
    now = datetime.datetime.now(datetime.timezone.utc)

    def by(policies: Policies, resource: Resource = need.resource) -> Decision:
        return decide(principal, permission, resource, policies, now=now, list_prefix=prefix)

    decision = by(policies)
    if held is None:
        return decision
    told, bindings = permission in held.get(need.bucket, frozenset()), replace(policies, deny=())
    bound = by(bindings).verdict is Verdict.GRANTED
    explained = by(bindings, resources.bucket(need.bucket)).verdict is Verdict.GRANTED
    return together(decision, told, policies, bound, explained)


def together(
    decision: Decision, told: bool, policies: Policies, bound: bool = False, explained: bool = False
) -> Decision:
    """`told`: whether the identity has the permission on the bucket as a whole. `bound`: a binding that the
    caller can read grants it on the object, deny rules aside; `explained`: on the bucket as a whole.

    told  policies   together
    yes   GRANTED    GRANTED
    yes   DENIED     DENIED: a condition or a deny rule keeps it from this very object
    yes   UNKNOWN    GRANTED, unless it is a condition or a deny rule that can't be evaluated here, or the
                     binding is one that the caller can't read: it may have a condition, or one that grants
                     it on the bucket and, by its condition, not on this object
    no    GRANTED    GRANTED where a condition gives it for this very object, else DENIED
    no    DENIED     DENIED
    no    UNKNOWN    DENIED, unless a condition may give it for this very object: one that can't be evaluated
                     here, or one in a policy that the caller can't read
    """
    conditional = decision.binding is not None and decision.binding.condition is not None
    if decision.verdict is Verdict.UNKNOWN:
        about_object = decision.permission.startswith("storage.objects.")
        hidden = about_object and None in (policies.bucket, policies.project)
        if told:
            if conditional or policies.deny:
                return decision
            if not bound and about_object and (hidden or explained or not policies.complete):
                return replace(decision, why=f"{TOLD_YES}, but {decision.why}")
            return replace(decision, verdict=Verdict.GRANTED, why=TOLD_YES)
        if hidden:
            return replace(decision, why=f"{TOLD_NO}, and {decision.why}")
        return decision if conditional else replace(decision, verdict=Verdict.DENIED, why=TOLD_NO)
    if decision.verdict is Verdict.GRANTED and not told and not conditional:
        return replace(decision, verdict=Verdict.DENIED, why=TOLD_NO)
    return decision
