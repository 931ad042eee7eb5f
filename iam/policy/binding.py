"""What one binding says to a question, and in words."""

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
    """Everything that one decision depends on, besides the policies."""

    principal: str
    permission: str
    given: Attributes
    world: Directory
    roles: Mapping[str, Role]


@dataclass(frozen=True, slots=True)
class BindingResult:
    """What one binding says."""

    truth: Ternary
    binding: Binding
    where: str
    reason: str


def answers_of(question: AccessRequest, where: str, policy: Policy) -> Iterator[BindingResult]:
    """What each binding that may concern the principal says; nothing for those that do not."""
    for binding in policy.bindings:
        for member in binding.members:
            membership = matches(question.principal, member, question.world)
            if membership is not Ternary.FALSE:
                yield _answer(
                    question, Binding(binding.role, (member,), binding.condition), where, membership
                )


def _answer(question: AccessRequest, binding: Binding, where: str, membership: Ternary) -> BindingResult:
    """Of a binding cut down to the one member that matters."""
    role = question.roles.get(binding.role)
    has = role.holds(question.permission) if role else Ternary.UNKNOWN
    condition = holds(binding.condition.expression, question.given) if binding.condition else Ternary.TRUE
    reason = _reason(question, binding, where, (membership, has, condition))
    return BindingResult(membership & has & condition, binding, where, reason)


def _reason(
    question: AccessRequest, binding: Binding, where: str, parts: tuple[Ternary, Ternary, Ternary]
) -> str:
    membership, has, condition = parts
    named = f"{binding.role} on {where}"
    if has is Ternary.FALSE:
        return f"{named} has no {question.permission}"
    if has is Ternary.UNKNOWN:
        return f"it is not known whether {named} has {question.permission}"
    if condition is not Ternary.TRUE and binding.condition:
        text = binding.condition.title or binding.condition.expression
        state = "is not met" if condition is Ternary.FALSE else "can't be evaluated here"
        return f'{named} has {question.permission}, but its condition "{text}" {state}'
    member = binding.members[0]
    if membership is Ternary.UNKNOWN:
        return f"{named} has {question.permission}, but it is not known whether {question.principal} is in {member}"
    through = "" if member.lower() == question.principal.lower() else f" as one of {member}"
    return f"{named} grants {question.permission} to {question.principal}{through}"


def rank(answer: BindingResult) -> tuple[bool, str, tuple[str, ...], str, str]:
    """An order that does not depend on the order of the bindings: the resource's own policy before the project's."""
    binding = answer.binding
    condition = binding.condition.expression if binding.condition else ""
    return (answer.where.startswith("project "), binding.role, binding.members, answer.reason, condition)
