"""Check whether the identity that a job runs as has the permissions it needs, before the job is submitted.

The check combines two sources. What Google reports to the identity (`testIamPermissions`, called by impersonation or
from inside the cluster) applies to the bucket as a whole, but a condition may exclude or add some of its objects. The
policies (iam/policy/evaluate.py) decide for the exact object, but only if the caller can read them.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from iam.policy import resource as resources
from iam.policy.evaluate import Decision, Policies, Verdict, decide
from iam.policy.least_role import Grant, grants_for
from iam.policy.principal import email, is_custom_account
from iam.policy.required_permissions import Operation, RequiredPermission
from iam.policy.resource import Resource
from iam.policy_reader import PolicyReader
from raydock.errors import NotFound

POLICIES = "according to the policies"
ITSELF = "tested by impersonating the identity"
CLUSTER = "tested from inside the cluster"
GRANTED_ON_BUCKET = "Google reports it as granted on the bucket"
NOT_GRANTED_ON_BUCKET = "Google reports it as not granted on the bucket"
HeldPermissions = Mapping[str, frozenset[str]]  # keyed by bucket, as returned by testIamPermissions


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict on all permissions needed on one URI.

    missing: the permissions that are denied or could not be confirmed
    how: the source of the verdict
    fixes: the grants that would fix a denial
    similar: if the bucket does not exist, the bucket with the most similar name
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
    similar: str = ""


async def check(
    principal: str,
    needs: Sequence[RequiredPermission],
    reader: PolicyReader,
    from_cluster: HeldPermissions | None = None,
) -> list[CheckResult]:
    """Return one result per URI. Raises RaydockError if nothing can be read at all.

    from_cluster: the permissions that a probe on the cluster found. If given, the identity is not impersonated.
    """
    buckets = sorted({need.bucket for need in needs})
    testing = (
        asyncio.create_task(held_permissions(principal, needs, reader)) if from_cluster is None else None
    )
    read = await asyncio.gather(*(policies_of(bucket, reader) for bucket in buckets))
    held = await testing if testing else from_cluster
    how = ITSELF if testing else CLUSTER
    policies = dict(zip(buckets, read, strict=True))
    groups: dict[str, list[RequiredPermission]] = {}
    for need in needs:
        groups.setdefault(need.uri, []).append(need)
    results = [outcome(principal, group, policies[group[0].bucket], held, how) for group in groups.values()]
    similar = {
        bucket: await reader.similar_bucket(bucket)
        for bucket, policy in policies.items()
        if isinstance(policy, NotFound)
    }
    return [
        replace(result, similar=similar.get(group[0].bucket, ""))
        for result, group in zip(results, groups.values(), strict=True)
    ]


async def held_permissions(
    principal: str, needs: Sequence[RequiredPermission], reader: PolicyReader
) -> HeldPermissions | None:
    """Test the permissions by impersonation.

    None if the identity can't be impersonated (no one can impersonate a service agent) or a bucket does not exist.
    """
    address = email(principal)
    impersonated = await reader.impersonate(address) if is_custom_account(address) else None
    if impersonated is None:
        return None
    wanted: dict[str, set[str]] = {}
    for need in needs:
        wanted.setdefault(need.bucket, set()).update(need.permissions)
    try:
        found = await asyncio.gather(
            *(impersonated.held(bucket, permissions) for bucket, permissions in wanted.items())
        )
    except NotFound:
        return None  # `policies_of` reports the missing bucket
    return dict(zip(wanted, found, strict=True))


async def policies_of(bucket: str, reader: PolicyReader) -> Policies | NotFound:
    """Read all policies on a bucket that the caller may see. Returns NotFound if the bucket does not exist."""
    try:
        own, number = await asyncio.gather(reader.bucket_policy(bucket), reader.bucket_project(bucket))
    except NotFound as fault:
        return fault
    if number is None:
        return Policies(own, None, "", None, complete=False)
    project, policy = await asyncio.gather(reader.project(number), reader.project_policy(number))
    name = project.id if project else number
    deny = await reader.deny_rules(name)
    return Policies(own, policy, name, deny, complete=project is not None and not project.has_parent)


def outcome(
    principal: str,
    needs: Sequence[RequiredPermission],
    policies: Policies | NotFound,
    held: HeldPermissions | None,
    how: str,
) -> CheckResult:
    """The result for all operations on one URI: DENIED if any of them is, else UNKNOWN if any of them is."""
    first = needs[0]
    operations = tuple(need.operation for need in needs)
    because = "; ".join(dict.fromkeys(need.because for need in needs))
    if isinstance(policies, NotFound):
        why = f"the bucket gs://{first.bucket} does not exist"
        missing = tuple(permission for need in needs for permission in need.permissions)
        return CheckResult(first.uri, because, operations, principal, Verdict.DENIED, missing, why, how)
    decisions = [
        decide_one(principal, permission, need, policies, held)
        for need in needs
        for permission in need.permissions
    ]
    source = POLICIES if held is None else how
    for verdict in (Verdict.DENIED, Verdict.UNKNOWN):
        worst = [one for one in decisions if one.verdict is verdict]
        if worst:
            missing = tuple(dict.fromkeys(one.permission for one in worst))
            denied_by_rule = worst[0].where == "deny policy"
            fixes = () if denied_by_rule else grants_for(principal, missing, first.resource)
            return CheckResult(
                first.uri, because, operations, principal, verdict, missing, worst[0].why, source, fixes
            )
    return CheckResult(
        first.uri, because, operations, principal, Verdict.GRANTED, (), decisions[0].why, source
    )


def decide_one(
    principal: str,
    permission: str,
    need: RequiredPermission,
    policies: Policies,
    held: HeldPermissions | None,
) -> Decision:
    """The policies' decision, combined with the result of testIamPermissions if available."""
    prefix = need.object_name if need.operation is Operation.LIST else None
    now = datetime.datetime.now(datetime.timezone.utc)

    def by(policies: Policies, resource: Resource = need.resource) -> Decision:
        return decide(principal, permission, resource, policies, now=now, list_prefix=prefix)

    decision = by(policies)
    if held is None:
        return decision
    tested, bindings = permission in held.get(need.bucket, frozenset()), replace(policies, deny=())
    bound = by(bindings).verdict is Verdict.GRANTED
    explained = by(bindings, resources.bucket(need.bucket)).verdict is Verdict.GRANTED
    return combine(decision, tested, policies, bound, explained)


def combine(
    decision: Decision, tested: bool, policies: Policies, bound: bool = False, explained: bool = False
) -> Decision:
    """Combine the policies' decision about an object with the result of testIamPermissions on its bucket.

    tested: the identity has the permission on the bucket as a whole
    bound: a binding that the caller can read grants it on the object, regardless of deny rules
    explained: such a binding grants it on the bucket as a whole

    tested  policies   result
    yes     GRANTED    GRANTED
    yes     DENIED     DENIED: a condition or a deny rule excludes this object
    yes     UNKNOWN    GRANTED, unless a condition or deny rule can't be evaluated here, or the caller can't read the
                       binding, whose condition may exclude this object
    no      GRANTED    GRANTED if a condition grants it on this object, else DENIED
    no      DENIED     DENIED
    no      UNKNOWN    DENIED, unless a condition that can't be evaluated here, or that is in a policy that the caller
                       can't read, may grant it on this object
    """
    conditional = decision.binding is not None and decision.binding.condition is not None
    if decision.verdict is Verdict.UNKNOWN:
        about_object = decision.permission.startswith("storage.objects.")
        hidden = about_object and None in (policies.bucket, policies.project)
        if tested:
            if conditional or policies.deny:
                return decision
            if not bound and about_object and (hidden or explained or not policies.complete):
                return replace(decision, why=f"{GRANTED_ON_BUCKET}, but {decision.why}")
            return replace(decision, verdict=Verdict.GRANTED, why=GRANTED_ON_BUCKET)
        if hidden:
            return replace(decision, why=f"{NOT_GRANTED_ON_BUCKET}, and {decision.why}")
        return (
            decision if conditional else replace(decision, verdict=Verdict.DENIED, why=NOT_GRANTED_ON_BUCKET)
        )
    if decision.verdict is Verdict.GRANTED and not tested and not conditional:
        return replace(decision, verdict=Verdict.DENIED, why=NOT_GRANTED_ON_BUCKET)
    return decision
