"""The smallest set of predefined roles that includes some permissions.

`iam.policy.least_role` answers another question: how to fix a denial with the fewest grants. Here the permissions that
are granted in excess count first, and the number of roles second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from iam.policy.least_role import may_be_offered
from iam.policy.resource import PROJECT, Resource
from iam.policy.roles import Role
from iam.policy.roles import roles as google_roles


def smallest_roles(
    wanted: Collection[str], target: Resource, roles: Mapping[str, Role] | None = None
) -> tuple[Role, ...]:
    """The roles, or none if no set of roles that can be granted there includes all permissions.

    Of all sets that do, it is the one with the fewest legacy permissions, then the fewest permissions, then the fewest
    roles. Never roles that can change policies, roles in beta, or roles on a project, whose permissions roles.yaml
    does not list completely.
    """
    permissions = frozenset(wanted)
    if not permissions or target.type == PROJECT:
        return ()
    known = google_roles() if roles is None else roles
    candidates = [
        one for one in known.values() if may_be_offered(one, target) and one.permissions & permissions
    ]
    groups = (group for size in range(1, len(candidates) + 1) for group in combinations(candidates, size))
    best = min((one for one in groups if permissions <= permissions_of(one)), key=cost, default=())
    return tuple(sorted(best, key=lambda one: one.name))


def cost(group: Sequence[Role]) -> tuple[int, int, int, list[str]]:
    """What to minimize. Google advises against the legacy roles, which exist for ACLs."""
    legacy = sum(len(role.permissions) for role in group if is_legacy(role))
    return legacy, len(permissions_of(group)), len(group), sorted(role.name for role in group)


def is_legacy(role: Role) -> bool:
    """Whether it is one of the roles that mirror ACLs."""
    return ".legacy" in role.name


def permissions_of(group: Sequence[Role]) -> frozenset[str]:
    """The permissions of all roles together."""
    return frozenset[str]().union(*(role.permissions for role in group))
