"""Find the narrowest roles, on the smallest resources, that fix a denial. Searches all roles."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from iam.policy import resource as resources
from iam.policy.evaluate import checked_resource
from iam.policy.resource import ACCOUNT, PROJECT, Resource
from iam.policy.roles import Role
from iam.policy.roles import roles as google_roles

MAX_ROLES = 3  # per fix; suggesting more would be unreasonable
# Prefixes of the roles that are usually granted on each type of resource.
GRANTED_ON: dict[str, tuple[str, ...]] = {
    resources.BUCKET: ("roles/storage.",),
    ACCOUNT: ("roles/iam.serviceAccount",),
    PROJECT: (),  # the excerpts in roles.yaml can't tell which of two roles grants less there
}


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant, with the commands that make it. `iam_command` is empty except on buckets.

    prefix: what the names of the objects start with that the grant is limited to; "" if it is not limited
    """

    principal: str
    role: str
    resource: Resource
    gcloud: str
    iam_command: str
    prefix: str = ""


def grants_for(
    principal: str,
    missing: Collection[str],
    resource: Resource,
    *,
    roles: Mapping[str, Role] | None = None,
) -> tuple[Grant, ...]:
    """The grants that provide all missing permissions. Permissions on an object are granted on its bucket.

    Empty if only admin or basic roles include them, or if one is checked on the project (buckets.list).
    """
    by_target: dict[Resource, set[str]] = {}
    for permission in missing:
        target = checked_resource(permission, resource, project_id="")
        target = resources.bucket(target.bucket) if target.bucket else target
        by_target.setdefault(target, set()).add(permission)
    found: list[Grant] = []
    for target, permissions in sorted(by_target.items(), key=lambda item: item[0].name):
        chosen = least_roles(permissions, target, google_roles() if roles is None else roles)
        if not chosen:
            return ()
        found += [grant_of(principal, role.name, target) for role in chosen]
    return tuple(found)


def least_roles(missing: Collection[str], target: Resource, roles: Mapping[str, Role]) -> tuple[Role, ...]:
    """The fewest roles that include all missing permissions; of several sets, the one with the fewest permissions."""
    wanted = frozenset(missing)
    candidates = [r for r in roles.values() if may_be_offered(r, target) and r.permissions & wanted]
    for size in range(1, MAX_ROLES + 1):
        covers = [group for group in combinations(candidates, size) if wanted <= _permissions(group)]
        if covers:
            return min(covers, key=_cost)
    return ()


def may_be_offered(role: Role, target: Resource) -> bool:
    """Exclude roles that can change policies, admin roles and beta roles."""
    administers = any(permission.endswith(".setIamPolicy") for permission in role.permissions)
    fits = role.name.startswith(GRANTED_ON[target.type]) and role.stage == "GA"
    return fits and not administers and not role.name.lower().endswith("admin")


def _cost(group: Sequence[Role]) -> tuple[int, int, list[str]]:
    """Prefer roles without legacy permissions, which mirror ACLs, then roles with few permissions."""
    legacy = sum(len(role.permissions) for role in group if ".legacy" in role.name)
    return legacy, len(_permissions(group)), sorted(role.name for role in group)


def _permissions(group: Sequence[Role]) -> frozenset[str]:
    return frozenset[str]().union(*(role.permissions for role in group))


def grant_of(principal: str, role: str, target: Resource) -> Grant:
    """The grant of a role on a bucket, an account or a project, with its commands."""
    member = shlex.quote(principal)
    if target.type == ACCOUNT:
        what, name = "iam service-accounts", target.name.rpartition("/")[2]
    elif target.type == PROJECT:
        what, name = "projects", target.name.rpartition("/")[2]
    else:
        what, name = "storage buckets", str(target)
    gcloud = f"gcloud {what} add-iam-policy-binding {name} --member={member} --role={role}"
    iam_command = f"python -m iam grant {name} --role={role} --member={member}" if target.bucket else ""
    return Grant(principal, role, target, gcloud, iam_command)
