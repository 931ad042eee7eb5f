"""Allow and deny policies as values: parsed strictly from Google's JSON, and edited by pure functions.

https://cloud.google.com/iam/docs/reference/rest/v1/Policy
https://cloud.google.com/iam/docs/reference/rest/v2/policies#DenyRule
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from iam.errors import MalformedPolicy, MalformedPrincipal
from iam.policy.document import DocumentReader
from iam.policy.principal import AUTHENTICATED, EVERYONE, normal, parse

ROLE = re.compile(r"(roles|projects/[^/\s]+/roles|organizations/[^/\s]+/roles)/[A-Za-z0-9_.]+")
POLICY_KEYS = ("bindings", "etag", "version", "kind", "resourceId", "auditConfigs")
DENY_KEYS = (
    "deniedPrincipals",
    "exceptionPrincipals",
    "deniedPermissions",
    "exceptionPermissions",
    "denialCondition",
)
READ = DocumentReader(MalformedPolicy)
WITH_CONDITIONS = 3  # the only policy version that supports conditions
PUBLIC = frozenset({EVERYONE, AUTHENTICATED})


@dataclass(frozen=True, slots=True)
class Condition:
    """A CEL expression that must be true for a binding to apply."""

    expression: str
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """Grants a role to members, if the condition is true."""

    role: str
    members: tuple[str, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Who has which role on one resource. A write must repeat the `etag`."""

    bindings: tuple[Binding, ...] = ()
    etag: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class DenyRule:
    """Denies permissions even if a policy grants them. They have the form SERVICE.googleapis.com/RESOURCE.VERB."""

    denied_principals: tuple[str, ...] = ()
    exception_principals: tuple[str, ...] = ()
    denied_permissions: tuple[str, ...] = ()
    exception_permissions: tuple[str, ...] = ()
    condition: Condition | None = None


def policy_from_json(document: Mapping[str, Any]) -> Policy:
    """Parse the JSON of getIamPolicy. Raises MalformedPolicy, with the location of the error."""
    READ.keys(document, POLICY_KEYS, "policy")
    version = document.get("version", 1)
    if type(version) is not int or version not in (0, 1, WITH_CONDITIONS):
        raise MalformedPolicy(f"policy.version must be 1 or 3, not {version!r}.")
    bindings = tuple(
        _binding(item, f"policy.bindings[{n}]")
        for n, item in enumerate(READ.items(document.get("bindings", []), "policy.bindings"))
    )
    conditional = next((n for n, b in enumerate(bindings) if b.condition), None)
    if conditional is not None and version != WITH_CONDITIONS:
        raise MalformedPolicy(
            f"policy.bindings[{conditional}] has a condition, which requires policy.version 3, not {version}.",
            'Set "version": 3, or request the policy with requestedPolicyVersion=3.',
        )
    return Policy(bindings, READ.text(document.get("etag", ""), "policy.etag"), version)


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """Return the JSON for setIamPolicy, which `policy_from_json` parses."""
    bindings: list[dict[str, Any]] = []
    for binding in policy.bindings:
        item: dict[str, Any] = {"role": binding.role, "members": list(binding.members)}
        if binding.condition:
            item["condition"] = _condition_to_json(binding.condition)
        bindings.append(item)
    version = WITH_CONDITIONS if any(b.condition for b in policy.bindings) else policy.version
    document: dict[str, Any] = {"version": version, "bindings": bindings}
    return {**document, "etag": policy.etag} if policy.etag else document


def deny_from_json(document: Mapping[str, Any], where: str = "denyPolicy") -> tuple[DenyRule, ...]:
    """Parse the rules of one v2 deny policy. Raises MalformedPolicy."""
    rules = READ.items(READ.mapping(document, where).get("rules", []), f"{where}.rules")
    return tuple(_deny_rule(rule, f"{where}.rules[{n}]") for n, rule in enumerate(rules))


def with_member(policy: Policy, role: str, member: str, condition: Condition | None = None) -> Policy:
    """Return the policy with the grant added, or unchanged if it already includes the grant."""
    same = [n for n, b in enumerate(policy.bindings) if (b.role, b.condition) == (role, condition)]
    if any(normal(member) == normal(m) for n in same for m in policy.bindings[n].members):
        return policy
    bindings = list(policy.bindings)
    if same:
        bindings[same[0]] = replace(bindings[same[0]], members=(*bindings[same[0]].members, member))
    else:
        bindings.append(Binding(role, (member,), condition))
    version = WITH_CONDITIONS if condition else policy.version
    return replace(policy, bindings=tuple(bindings), version=version)


def without_member(policy: Policy, role: str, member: str, condition: Condition | None = None) -> Policy:
    """Return the policy without the grant and without emptied bindings, or unchanged if it lacks the grant."""
    bindings: list[Binding] = []
    for binding in policy.bindings:
        if (binding.role, binding.condition) == (role, condition):
            kept = tuple(m for m in binding.members if normal(m) != normal(member))
            if kept != binding.members and not kept:
                continue
            binding = replace(binding, members=kept)
        bindings.append(binding)
    return replace(policy, bindings=tuple(bindings))


def without_public(policy: Policy) -> Policy:
    """Return the part of a bucket's policy that has an effect while public access prevention is enforced."""
    kept = (replace(b, members=tuple(m for m in b.members if m not in PUBLIC)) for b in policy.bindings)
    return replace(policy, bindings=tuple(binding for binding in kept if binding.members))


def _binding(item: object, where: str) -> Binding:
    fields = READ.keys(item, ("role", "members", "condition"), where)
    role = READ.text(fields.get("role", ""), f"{where}.role")
    if not ROLE.fullmatch(role):
        raise MalformedPolicy(
            f'{where}.role must be roles/NAME or projects/PROJECT/roles/NAME, not "{role}".'
        )
    members = READ.texts(fields.get("members", []), f"{where}.members")
    for n, member in enumerate(members):
        try:
            parse(member)
        except MalformedPrincipal as error:
            raise MalformedPolicy(f"{where}.members[{n}]: {error.message}", error.fix) from error
    return Binding(role, members, _condition(fields.get("condition"), f"{where}.condition"))


def _deny_rule(item: object, where: str) -> DenyRule:
    fields = READ.keys(item, ("denyRule", "description"), where)
    rule = READ.keys(fields.get("denyRule"), DENY_KEYS, f"{where}.denyRule")
    here = f"{where}.denyRule"
    who, not_who, what, not_what = (READ.texts(rule.get(key, []), f"{here}.{key}") for key in DENY_KEYS[:-1])
    return DenyRule(
        who, not_who, what, not_what, _condition(rule.get("denialCondition"), f"{here}.denialCondition")
    )


def _condition(item: object, where: str) -> Condition | None:
    if item is None:
        return None
    fields = READ.keys(item, ("expression", "title", "description", "location"), where)
    texts = [
        READ.text(fields.get(key, ""), f"{where}.{key}") for key in ("expression", "title", "description")
    ]
    if not texts[0].strip():
        raise MalformedPolicy(f"{where} has no expression.")
    return Condition(*texts)


def _condition_to_json(condition: Condition) -> dict[str, str]:
    texts = {
        "title": condition.title,
        "description": condition.description,
        "expression": condition.expression,
    }
    return {key: text for key, text in texts.items() if text}
