"""Is a principal one of a binding's members? TRUE, FALSE or UNKNOWN.

https://cloud.google.com/iam/docs/principal-identifiers
https://cloud.google.com/storage/docs/access-control/iam#convenience-values (projectOwner: and its kin)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iam.policy.policies import Policy
from iam.policy.principal import ANONYMOUS, AUTHENTICATED, CONVENIENCE, EVERYONE, normal
from iam.policy.ternary import Ternary, any_of, known

FEDERATED = "principal://"  # what is left of them in v1: identities of workforce and workload pools


@dataclass(frozen=True, slots=True)
class Directory:
    """What membership depends on.

    groups: members by group; None, or a group that is not in it, is a group whose members are not known
    project: the project's policy, None where it could not be read
    """

    groups: Mapping[str, frozenset[str]] | None = None
    project: Policy | None = None
    project_id: str = ""


def matches(principal: str, member: str, world: Directory) -> Ternary:
    """Does the member string cover the principal?"""
    principal, member = normal(principal), normal(member)
    if member.startswith("deleted:"):
        return Ternary.FALSE
    if member in (principal, EVERYONE):
        return Ternary.TRUE
    if principal == ANONYMOUS or principal.startswith("deleted:"):
        return Ternary.FALSE
    if member == AUTHENTICATED:
        # Google's page: "does not include identities that come from external identity providers".
        return known(not principal.startswith(FEDERATED))
    kind, _, value = member.partition(":")
    if kind in CONVENIENCE:
        return _holds_basic(principal, CONVENIENCE[kind], value, world)
    if kind == "group":
        return _in_group(principal, member, world, frozenset())
    if kind == "domain":
        return known(principal.startswith("user:") and principal.rpartition("@")[2] == value)
    return Ternary.UNKNOWN if kind == "principalSet" else Ternary.FALSE


def _in_group(principal: str, group: str, world: Directory, seen: frozenset[str]) -> Ternary:
    """Groups may hold groups, in circles too."""
    members = _members(group, world)
    if members is None:
        return Ternary.UNKNOWN
    seen = seen | {group}
    inner = [normal(m) for m in members]
    return any_of(
        _in_group(principal, m, world, seen)
        if m.startswith("group:") and m != principal
        else known(m == principal)
        for m in inner
        if m not in seen
    )


def _members(group: str, world: Directory) -> frozenset[str] | None:
    """Groups are named group:ADDRESS or ADDRESS, in any case."""
    for name, members in (world.groups or {}).items():
        if normal(name if name.startswith("group:") else f"group:{name}") == group:
            return members
    return None


def _holds_basic(principal: str, role: str, project_id: str, world: Directory) -> Ternary:
    """Those who hold roles/owner, editor or viewer in the project's policy."""
    if world.project is None or project_id != world.project_id:
        return Ternary.UNKNOWN
    return any_of(
        # Basic roles can't have conditions; of one that has, nothing is known.
        matches(principal, member, world) & (Ternary.UNKNOWN if binding.condition else Ternary.TRUE)
        for binding in world.project.bindings
        if binding.role == role
        for member in binding.members
        if member.partition(":")[0] not in CONVENIENCE
    )
