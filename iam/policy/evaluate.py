"""Decide whether a principal has a permission: GRANTED, DENIED or UNKNOWN, with the deciding binding and the reason.

Deny rules come first; after that, any binding on the resource or an ancestor grants it
(https://cloud.google.com/iam/docs/policy-types#evaluation). An object's policies are those of its bucket and project.
`Policies.complete` is False if a folder or the organization may grant it too, and `Policies.acls` is True if an
ACL may. Managed folders, which may also grant it, and principal access boundaries and VPC Service Controls, which may
deny it, are not evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from iam.policy import deny
from iam.policy import resource as resources
from iam.policy.binding import AccessRequest, BindingResult, binding_results, rank
from iam.policy.condition import Attributes
from iam.policy.membership import Directory
from iam.policy.policies import Binding, DenyRule, Policy
from iam.policy.principal import parse
from iam.policy.resource import ACCOUNT, OBJECT, PROJECT, Resource
from iam.policy.roles import Role
from iam.policy.roles import roles as google_roles
from iam.policy.ternary import Ternary

# Permissions that are checked on the project, even if the call is about a bucket …
# https://cloud.google.com/storage/docs/access-control/iam-json
ON_PROJECT = re.compile(r"storage\.(buckets\.(create|list)|hmacKeys\..*)|(?!storage\.).*")
# … and on the bucket, even if the call lists objects.
ON_BUCKET = re.compile(r"storage\.(objects\.list|buckets\..*)")
# What an object's ACL can grant; a bucket's ACL is part of its policy, as legacy roles.
# https://cloud.google.com/storage/docs/access-control/iam#acls
BY_ACL = frozenset(f"storage.objects.{verb}" for verb in ("get", "getIamPolicy", "setIamPolicy", "update"))


class Verdict(Enum):
    """The result of a decision. UNKNOWN: something that could decide it could not be read or evaluated."""

    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies that could be read.

    bucket: the policy of the resource itself, a bucket or a service account; None if it could not be read
    project: the policy of its project; None if it could not be read
    deny: the deny rules of its project; None if they could not be read
    complete: False if the folders or the organization above the project may grant permissions
    acls: whether the bucket's objects may have ACLs, because it does not have uniform bucket-level access
    """

    bucket: Policy | None
    project: Policy | None
    project_id: str
    deny: tuple[DenyRule, ...] | None
    complete: bool = True
    acls: bool = False

    def acl_may_grant(self, permission: str, resource: Resource) -> bool:
        """Whether an object's ACL may grant the permission."""
        return self.acls and resource.type == OBJECT and permission in BY_ACL


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and its reason. `binding` decided it, if any did; `where` is the resource whose policy has it."""

    verdict: Verdict
    permission: str
    resource: Resource
    binding: Binding | None
    where: str
    why: str


def decide(
    principal: str,
    permission: str,
    resource: Resource,
    policies: Policies,
    *,
    roles: Mapping[str, Role] | None = None,
    groups: Mapping[str, frozenset[str]] | None = None,
    now: datetime | None = None,
    list_prefix: str | None = None,
) -> Decision:
    """Decide whether `principal` has `permission` on `resource`. Raises MalformedPrincipal.

    roles: all roles, from `roles.load_roles(...)` if there are custom ones; Google's if None
    groups: members by group address; None if no group's members are known
    now: the time of the request, for conditions; None if unknown
    list_prefix: the prefix to list; "" for a whole bucket, None if unknown
    """
    parse(principal)
    target = checked_resource(permission, resource, policies.project_id)
    listing = list_prefix if permission == "storage.objects.list" else ""
    request = AccessRequest(
        principal,
        permission,
        Attributes(target, now, listing),
        Directory(groups, policies.project, policies.project_id),
        google_roles() if roles is None else roles,
    )
    decision = _allowed(request, policies)
    if decision.verdict is not Verdict.DENIED:
        decision = _unless_denied(decision, request, policies)
    return replace(decision, resource=resource)


def checked_resource(permission: str, resource: Resource, project_id: str) -> Resource:
    """The resource that a permission is checked on: the bucket for objects.list, the project for buckets.list."""
    if resource.type == ACCOUNT:
        return resource
    if ON_PROJECT.fullmatch(permission):
        return resource if resource.type == PROJECT else resources.project(project_id)
    if resource.bucket and ON_BUCKET.fullmatch(permission):
        return resources.bucket(resource.bucket)
    return resource


def _sources(target: Resource, policies: Policies) -> list[tuple[str, Policy | None]]:
    """The policies that apply to a resource, nearest first, each with the name of the resource that has it."""
    project = (f"project {policies.project_id}", policies.project)
    if target.type == PROJECT:
        return [project]
    own = str(resources.bucket(target.bucket)) if target.bucket else target.name.rpartition("/")[2]
    return [(own, policies.bucket), project]


def _allowed(request: AccessRequest, policies: Policies) -> Decision:
    """The decision based on the bindings alone."""
    sources = _sources(request.attributes.resource, policies)
    results = [one for where, policy in sources if policy for one in binding_results(request, where, policy)]
    for grants, verdict in ((Ternary.TRUE, Verdict.GRANTED), (Ternary.UNKNOWN, Verdict.UNKNOWN)):
        found = [one for one in results if one.grants is grants]
        if found:
            return _decision(request, verdict, min(found, key=rank))
    unread = [where for where, policy in sources if policy is None]
    if unread:
        noun = "policy" if len(unread) == 1 else "policies"
        why = f"the {noun} of {' and '.join(unread)} could not be read"
        return _decision(request, Verdict.UNKNOWN, why=why)
    if not policies.complete:
        why = f"{_no_binding(request, sources, results)}, but a folder or the organization above it may"
        return _decision(request, Verdict.UNKNOWN, why=why)
    if policies.acl_may_grant(request.permission, request.attributes.resource):
        why = f"{_no_binding(request, sources, results)}, but the object's ACL may"
        return _decision(request, Verdict.UNKNOWN, why=why)
    return _decision(request, Verdict.DENIED, why=_no_binding(request, sources, results))


def _no_binding(
    request: AccessRequest, sources: list[tuple[str, Policy | None]], results: list[BindingResult]
) -> str:
    names = " or ".join(where for where, _ in sources)
    near = [one.reason for one in sorted(results, key=rank) if one.grants is Ternary.FALSE]
    tail = f" ({near[0]})" if near else ""
    return f"no binding on {names} grants {request.permission} to {request.principal}{tail}"


def _unless_denied(decision: Decision, request: AccessRequest, policies: Policies) -> Decision:
    """Apply the deny rules, which override bindings."""
    project = f"project {policies.project_id}"
    if policies.deny is None:
        why = f"{decision.why}, but the deny policies of {project} could not be read"
        return replace(decision, verdict=Verdict.UNKNOWN, why=why)
    denied = [
        deny.applies(rule, request.principal, request.permission, request.attributes, request.directory)
        for rule in policies.deny
    ]
    what = f"{request.permission} to {request.principal}"
    if Ternary.TRUE in denied:
        why = f"a deny rule on {project} denies {what}"
        return replace(decision, verdict=Verdict.DENIED, binding=None, where="deny policy", why=why)
    if Ternary.UNKNOWN in denied:
        why = f"{decision.why}, but a deny rule on {project} may deny {what}"
        return replace(decision, verdict=Verdict.UNKNOWN, why=why)
    return decision


def _decision(
    request: AccessRequest, verdict: Verdict, result: BindingResult | None = None, why: str = ""
) -> Decision:
    resource = request.attributes.resource
    if result is None:
        return Decision(verdict, request.permission, resource, None, "", why)
    return Decision(verdict, request.permission, resource, result.binding, result.where, result.reason)
