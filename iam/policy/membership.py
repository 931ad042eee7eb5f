"""Decide whether a principal is a member of a binding: TRUE, FALSE or UNKNOWN.

https://cloud.google.com/iam/docs/principal-identifiers
https://cloud.google.com/storage/docs/access-control/iam#convenience-values (projectOwner: and the like)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iam.policy.policies import Policy
from iam.policy.principal import ANONYMOUS, AUTHENTICATED, CONVENIENCE, EVERYONE, normal
from iam.policy.ternary import Ternary, any_of, from_bool

FEDERATED = (
    "principal://"  # identities of workforce and workload pools, once `normal` has converted the others to v1
)


@dataclass(frozen=True, slots=True)
class Directory:
    """What is known about the members of groups and projects.

    groups: members by group; the members of a missing group, or of all groups if None, are unknown
    project: the project's policy; None if it could not be read
    """

    groups: Mapping[str, frozenset[str]] | None = None
    project: Policy | None = None
    project_id: str = ""


def matches(principal: str, member: str, directory: Directory) -> Ternary:
    """Whether the member string includes the principal."""
    principal, member = normal(principal), normal(member)
    if member.startswith("deleted:"):
        return Ternary.FALSE
    if member in (principal, EVERYONE):
        return Ternary.TRUE
    if principal == ANONYMOUS or principal.startswith("deleted:"):
        return Ternary.FALSE
    if member == AUTHENTICATED:
        # Per Google, this "does not include identities that come from external identity providers".
        return from_bool(not principal.startswith(FEDERATED))
    kind, _, value = member.partition(":")
    if kind in CONVENIENCE:
        return _has_basic_role(principal, CONVENIENCE[kind], value, directory)
    if kind == "group":
        return _in_group(principal, member, directory, frozenset())
    if kind == "domain":
        return from_bool(principal.startswith("user:") and principal.rpartition("@")[2] == value)
    return Ternary.UNKNOWN if kind == "principalSet" else Ternary.FALSE


def _in_group(principal: str, group: str, directory: Directory, seen: frozenset[str]) -> Ternary:
    """Search a group and the groups in it, which may form cycles."""
    members = _members(group, directory)
    if members is None:
        return Ternary.UNKNOWN
    seen = seen | {group}
    inner = [normal(m) for m in members]
    return any_of(
        _in_group(principal, m, directory, seen)
        if m.startswith("group:") and m != principal
        else from_bool(m == principal)
        for m in inner
        if m not in seen
    )


def _members(group: str, directory: Directory) -> frozenset[str] | None:
    """The members of a group, listed as group:ADDRESS or ADDRESS in any case; None if unknown."""
    for name, members in (directory.groups or {}).items():
        if normal(name if name.startswith("group:") else f"group:{name}") == group:
            return members
    return None


def _has_basic_role(principal: str, role: str, project_id: str, directory: Directory) -> Ternary:
    """Whether the project's policy grants the principal roles/owner, roles/editor or roles/viewer."""
    if directory.project is None or project_id != directory.project_id:
        return Ternary.UNKNOWN
    return any_of(
        # Google allows no conditions on basic roles, so the effect of one is unknown.
        matches(principal, member, directory) & (Ternary.UNKNOWN if binding.condition else Ternary.TRUE)
        for binding in directory.project.bindings
        if binding.role == role
        for member in binding.members
        if member.partition(":")[0] not in CONVENIENCE
    )
