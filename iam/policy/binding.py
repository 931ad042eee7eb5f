"""What one binding says to a question, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from iam.policy.condition import Attributes
from iam.policy.condition import evaluate as holds
from iam.policy.membership import World, matches
from iam.policy.policies import Binding, Policy
from iam.policy.roles import Role
from iam.policy.ternary import Truth


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that one decision depends on, besides the policies."""

    principal: str
    permission: str
    given: Attributes
    world: World
    roles: Mapping[str, Role]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one binding says."""

    truth: Truth
    binding: Binding
    where: str
    reason: str


def answers_of(question: Question, where: str, policy: Policy) -> Iterator[Answer]:
    """What each binding that may concern the principal says; nothing for those that do not."""
    for binding in policy.bindings:
        for member in binding.members:
            membership = matches(question.principal, member, question.world)
            if membership is not Truth.FALSE:
                yield _answer(
                    question, Binding(binding.role, (member,), binding.condition), where, membership
                )


def _answer(question: Question, binding: Binding, where: str, membership: Truth) -> Answer:
    """Of a binding cut down to the one member that matters."""
    role = question.roles.get(binding.role)
    has = role.holds(question.permission) if role else Truth.UNKNOWN
    condition = holds(binding.condition.expression, question.given) if binding.condition else Truth.TRUE
    reason = _reason(question, binding, where, (membership, has, condition))
    return Answer(membership & has & condition, binding, where, reason)


def _reason(question: Question, binding: Binding, where: str, parts: tuple[Truth, Truth, Truth]) -> str:
    membership, has, condition = parts
    named = f"{binding.role} on {where}"
    if has is Truth.FALSE:
        return f"{named} has no {question.permission}"
    if has is Truth.UNKNOWN:
        return f"it is not known whether {named} has {question.permission}"
    if condition is not Truth.TRUE and binding.condition:
        text = binding.condition.title or binding.condition.expression
        state = "is not met" if condition is Truth.FALSE else "can't be evaluated here"
        return f'{named} has {question.permission}, but its condition "{text}" {state}'
    member = binding.members[0]
    if membership is Truth.UNKNOWN:
        return f"{named} has {question.permission}, but it is not known whether {question.principal} is in {member}"
    through = "" if member.lower() == question.principal.lower() else f" as one of {member}"
    return f"{named} grants {question.permission} to {question.principal}{through}"


def rank(answer: Answer) -> tuple[bool, str, tuple[str, ...], str, str]:
    """An order that does not depend on the order of the bindings: the resource's own policy before the project's."""
    binding = answer.binding
    condition = binding.condition.expression if binding.condition else ""
    return (answer.where.startswith("project "), binding.role, binding.members, answer.reason, condition)
