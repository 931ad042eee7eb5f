"""Evaluates one binding for an access request, and explains the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from iam.policy.condition import Attributes
from iam.policy.condition import evaluate as holds
from iam.policy.membership import Directory, matches
from iam.policy.policies import Binding, Policy
from iam.policy.roles import Role
from iam.policy.ternary import Ternary


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Everything that a decision depends on, except the policies."""

    principal: str
    permission: str
    attributes: Attributes
    directory: Directory
    roles: Mapping[str, Role]


@dataclass(frozen=True, slots=True)
class BindingResult:
    """The result of one binding: whether it grants the permission, and why.

    `binding` is reduced to the member that matched; `where` is the resource that has the policy.
    """

    grants: Ternary
    binding: Binding
    where: str
    reason: str


def binding_results(request: AccessRequest, where: str, policy: Policy) -> Iterator[BindingResult]:
    """The results of the bindings with a member that is, or may be, the principal."""
    for binding in policy.bindings:
        for member in binding.members:
            membership = matches(request.principal, member, request.directory)
            if membership is not Ternary.FALSE:
                yield _result(request, Binding(binding.role, (member,), binding.condition), where, membership)


def _result(request: AccessRequest, binding: Binding, where: str, membership: Ternary) -> BindingResult:
    role = request.roles.get(binding.role)
    includes = role.holds(request.permission) if role else Ternary.UNKNOWN
    condition = holds(binding.condition.expression, request.attributes) if binding.condition else Ternary.TRUE
    reason = _reason(request, binding, where, (membership, includes, condition))
    return BindingResult(membership & includes & condition, binding, where, reason)


def _reason(
    request: AccessRequest, binding: Binding, where: str, parts: tuple[Ternary, Ternary, Ternary]
) -> str:
    membership, includes, condition = parts
    role = f"{binding.role} on {where}"
    if includes is Ternary.FALSE:
        return f"{role} does not include {request.permission}"
    if includes is Ternary.UNKNOWN:
        return f"it is unknown whether {role} includes {request.permission}"
    if condition is not Ternary.TRUE and binding.condition:
        text = binding.condition.title or binding.condition.expression
        state = "is not met" if condition is Ternary.FALSE else "can't be evaluated here"
        return f'{role} includes {request.permission}, but its condition "{text}" {state}'
    member = binding.members[0]
    if membership is Ternary.UNKNOWN:
        return f"{role} includes {request.permission}, but it is unknown whether {request.principal} is in {member}"
    through = "" if member.lower() == request.principal.lower() else f" as a member of {member}"
    return f"{role} grants {request.permission} to {request.principal}{through}"


def rank(result: BindingResult) -> tuple[bool, str, tuple[str, ...], str, str]:
    """A sort key that doesn't depend on the order of the bindings; the resource's own policy comes first."""
    binding = result.binding
    condition = binding.condition.expression if binding.condition else ""
    return (result.where.startswith("project "), binding.role, binding.members, result.reason, condition)
