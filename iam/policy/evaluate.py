"""May this principal do this? GRANTED, DENIED or UNKNOWN, with the binding that decided and a sentence that says why.

https://cloud.google.com/iam/docs/policy-types#evaluation: deny rules come first, then any binding that grants, of the
resource or of what it lies in. An object's policies are its bucket's and the project's. What else may grant (object
ACLs, managed folders) is said with `Policies.complete`. What else may refuse (principal access boundaries, VPC Service
Controls) is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from iam.policy import deny
from iam.policy import resource as resources
from iam.policy.binding import AccessRequest, BindingResult, answers_of, rank
from iam.policy.condition import Attributes
from iam.policy.membership import Directory
from iam.policy.policies import Binding, DenyRule, Policy
from iam.policy.principal import parse
from iam.policy.resource import ACCOUNT, PROJECT, Resource
from iam.policy.roles import Role
from iam.policy.roles import roles as google_roles
from iam.policy.ternary import Ternary

# Permissions that are held on the project, whatever bucket a program has in mind.
# https://cloud.google.com/storage/docs/access-control/iam-json
OF_THE_PROJECT = re.compile(r"storage\.(buckets\.(create|list)|hmacKeys\..*)|(?!storage\.).*")
# … and on the bucket, though it is objects that they show.
OF_THE_BUCKET = re.compile(r"storage\.(objects\.list|buckets\..*)")


class Verdict(Enum):
    """UNKNOWN is an answer: something that would decide could not be seen or understood."""

    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Policies:
    """What could be read.

    bucket: the policy of the resource itself, a bucket or a service account; None if it could not be read
    project: the policy of its project; None if it could not be read
    deny: the deny rules in force; None if they could not be read
    complete: False where something else may grant too: folders, the organisation, object ACLs, managed folders
    """

    bucket: Policy | None
    project: Policy | None
    project_id: str
    deny: tuple[DenyRule, ...] | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """`binding` is the one that granted, or that left it unknown; `where` is what carries its policy."""

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
    """May `principal` use `permission` on `resource`? Raises MalformedPrincipal.

    roles: all roles there are, `roles.load_roles(...)` with custom ones; Google's if None
    groups: members by group address; None if no group's members are known
    now: the time that conditions compare with; None if it does not matter, or is not known
    list_prefix: the prefix that is listed; "" for a whole bucket, None if not known
    """
    parse(principal)
    target = level(permission, resource, policies.project_id)
    listing = list_prefix if permission == "storage.objects.list" else ""
    question = AccessRequest(
        principal,
        permission,
        Attributes(target, now, listing),
        Directory(groups, policies.project, policies.project_id),
        google_roles() if roles is None else roles,
    )
    decision = _allowed(question, policies)
    if decision.verdict is not Verdict.DENIED:
        decision = _unless_denied(decision, question, policies)
    return replace(decision, resource=resource)


def level(permission: str, resource: Resource, project_id: str) -> Resource:
    """The resource that a permission is checked on: objects.list is the bucket's, buckets.list the project's."""
    if resource.type == ACCOUNT:
        return resource
    if OF_THE_PROJECT.fullmatch(permission):
        return resource if resource.type == PROJECT else resources.project(project_id)
    if resource.bucket and OF_THE_BUCKET.fullmatch(permission):
        return resources.bucket(resource.bucket)
    return resource


def _sources(target: Resource, policies: Policies) -> list[tuple[str, Policy | None]]:
    """The policies that count for a resource, the nearest first, with the name of what carries them."""
    project = (f"project {policies.project_id}", policies.project)
    if target.type == PROJECT:
        return [project]
    own = str(resources.bucket(target.bucket)) if target.bucket else target.name.rpartition("/")[2]
    return [(own, policies.bucket), project]


def _allowed(question: AccessRequest, policies: Policies) -> Decision:
    sources = _sources(question.given.resource, policies)
    answers = [a for where, policy in sources if policy for a in answers_of(question, where, policy)]
    for truth, verdict in ((Ternary.TRUE, Verdict.GRANTED), (Ternary.UNKNOWN, Verdict.UNKNOWN)):
        found = [answer for answer in answers if answer.truth is truth]
        if found:
            return _decision(question, verdict, min(found, key=rank))
    unread = [where for where, policy in sources if policy is None]
    if unread:
        return _decision(
            question, Verdict.UNKNOWN, why=f"the policy of {' and of '.join(unread)} could not be read"
        )
    if not policies.complete:
        why = f"{_nothing(question, sources, answers)}, but folders or the organisation above may"
        return _decision(question, Verdict.UNKNOWN, why=why)
    return _decision(question, Verdict.DENIED, why=_nothing(question, sources, answers))


def _nothing(
    question: AccessRequest, sources: list[tuple[str, Policy | None]], answers: list[BindingResult]
) -> str:
    places = " or of ".join(where for where, _ in sources)
    near = [a.reason for a in sorted(answers, key=rank) if a.truth is Ternary.FALSE]
    tail = f" ({near[0]})" if near else ""
    return f"no binding of {places} grants {question.permission} to {question.principal}{tail}"


def _unless_denied(decision: Decision, question: AccessRequest, policies: Policies) -> Decision:
    """Deny rules take away what bindings grant."""
    if policies.deny is None:
        why = f"{decision.why}, but the deny policies of project {policies.project_id} could not be read"
        return replace(decision, verdict=Verdict.UNKNOWN, why=why)
    truths = [
        deny.applies(rule, question.principal, question.permission, question.given, question.world)
        for rule in policies.deny
    ]
    taken = f"{question.permission} from {question.principal}"
    if Ternary.TRUE in truths:
        why = f"a deny rule of project {policies.project_id} takes {taken}"
        return replace(decision, verdict=Verdict.DENIED, binding=None, where="deny policy", why=why)
    if Ternary.UNKNOWN in truths:
        why = f"{decision.why}, but a deny rule of project {policies.project_id} may take {taken}"
        return replace(decision, verdict=Verdict.UNKNOWN, why=why)
    return decision


def _decision(
    question: AccessRequest, verdict: Verdict, answer: BindingResult | None = None, why: str = ""
) -> Decision:
    resource = question.given.resource
    if answer is None:
        return Decision(verdict, question.permission, resource, None, "", why)
    return Decision(verdict, question.permission, resource, answer.binding, answer.where, answer.reason)
