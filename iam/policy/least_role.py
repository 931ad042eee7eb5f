"""The least role on the smallest resource that mends a denial, found by search over the roles."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from iam.policy import resource as resources
from iam.policy.evaluate import level
from iam.policy.resource import ACCOUNT, PROJECT, Resource
from iam.policy.roles import Role
from iam.policy.roles import roles as google_roles

MOST = 3  # roles in one mend: nobody grants four to read a file
# The roles that people grant on a kind of resource.
GRANTED_ON: dict[str, tuple[str, ...]] = {
    resources.BUCKET: ("roles/storage.",),
    ACCOUNT: ("roles/iam.serviceAccount",),
    PROJECT: (),  # the excerpts of roles.yaml can't say which of two roles is the lesser there
}


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant, as Google's command line and as ours; `ours` is empty where ours can't (it grants on buckets)."""

    principal: str
    role: str
    resource: Resource
    gcloud: str
    ours: str


def mends_for(
    principal: str,
    missing: Collection[str],
    resource: Resource,
    *,
    roles: Mapping[str, Role] | None = None,
) -> tuple[Grant, ...]:
    """The grants that give all the missing permissions; an object's are on its bucket.

    None if only an administrator's or a basic role would, or if one of them is the project's (buckets.list).
    """
    by_level: dict[Resource, set[str]] = {}
    for permission in missing:
        place = level(permission, resource, project_id="")
        place = resources.bucket(place.bucket) if place.bucket else place
        by_level.setdefault(place, set()).add(permission)
    found: list[Grant] = []
    for place, permissions in sorted(by_level.items(), key=lambda item: item[0].name):
        chosen = least_roles(permissions, place, google_roles() if roles is None else roles)
        if not chosen:
            return ()
        found += [_mend(principal, role.name, place) for role in chosen]
    return tuple(found)


def least_roles(missing: Collection[str], place: Resource, roles: Mapping[str, Role]) -> tuple[Role, ...]:
    """The fewest roles that hold all of them; of equally many, those with the fewest permissions."""
    wanted = frozenset(missing)
    fitting = [r for r in roles.values() if _may_be_offered(r, place) and r.permissions & wanted]
    for size in range(1, MOST + 1):
        covers = [group for group in combinations(fitting, size) if wanted <= _held(group)]
        if covers:
            return min(covers, key=_cost)
    return ()


def _may_be_offered(role: Role, place: Resource) -> bool:
    """Nothing that may change policies, nothing that is called admin, nothing in beta."""
    administers = any(permission.endswith(".setIamPolicy") for permission in role.permissions)
    fits = role.name.startswith(GRANTED_ON[place.type]) and role.stage == "GA"
    return fits and not administers and not role.name.lower().endswith("admin")


def _cost(group: Sequence[Role]) -> tuple[int, int, list[str]]:
    """As little as can be of the legacy roles, which stand for ACLs; then as few permissions as can be."""
    legacy = sum(len(role.permissions) for role in group if ".legacy" in role.name)
    return legacy, len(_held(group)), sorted(role.name for role in group)


def _held(group: Sequence[Role]) -> frozenset[str]:
    return frozenset[str]().union(*(role.permissions for role in group))


def _mend(principal: str, role: str, place: Resource) -> Grant:
    member = shlex.quote(principal)
    if place.type == ACCOUNT:
        what, name = "iam service-accounts", place.name.rpartition("/")[2]
    else:
        what, name = "storage buckets", str(place)
    gcloud = f"gcloud {what} add-iam-policy-binding {name} --member={member} --role={role}"
    ours = f"python -m iam grant {name} --role={role} --member={member}" if place.bucket else ""
    return Grant(principal, role, place, gcloud, ours)
