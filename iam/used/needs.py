"""The permissions that runs needed, and the smallest roles that include them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from iam.grant import Edit
from iam.policy.least_role import Grant, grant_of, least_roles
from iam.policy.resource import ACCOUNT, Resource
from iam.policy.roles import roles as google_roles
from iam.used.attribution import Attributed
from iam.used.decisions import Decided
from iam.used.folders import common_folder
from iam.used.roles import smallest_roles

CREATE, DELETE = "storage.objects.create", "storage.objects.delete"


@dataclass(frozen=True, slots=True)
class Need:
    """The permissions that one principal needs on one bucket, project or service account.

    prefix: what the names of all objects start with, if every permission is checked on objects; "" otherwise
    """

    principal: str
    target: Resource
    permissions: tuple[str, ...]
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class NeededGrants:
    """The grants that suffice. `uncovered`: the needs that no role that can be offered there covers."""

    grants: tuple[Grant, ...]
    uncovered: tuple[Need, ...] = ()


def needs_of(runs: Sequence[Attributed], again: bool = False) -> tuple[Need, ...]:
    """What the runs needed: what was granted and, if a run did not succeed, also what was denied.

    again: include what another run needs to replace the objects that this one created
    """
    grouped: dict[tuple[str, Resource], list[Decided]] = {}
    for attributed in runs:
        for one in attributed.decisions:
            if one.granted or not attributed.run.succeeded:
                grouped.setdefault((one.principal, one.target), []).append(one)
    pairs = sorted(grouped.items(), key=lambda item: (item[0][0], item[0][1].name))
    return tuple(need(principal, target, found, again) for (principal, target), found in pairs)


def need(principal: str, target: Resource, found: Sequence[Decided], again: bool) -> Need:
    """The need for one principal's decisions about one resource."""
    permissions = {one.permission for one in found}
    if again and CREATE in permissions:
        permissions.add(DELETE)
    on_objects = all(one.on_object for one in found)
    prefix = common_folder(one.name for one in found) if on_objects else ""
    return Need(principal, target, tuple(sorted(permissions)), prefix)


def replaces(needs: Iterable[Need]) -> list[str]:
    """The buckets in which runs created objects, but were not seen to replace any."""
    return [str(one.target) for one in needs if CREATE in one.permissions and DELETE not in one.permissions]


def grants_for(needs: Iterable[Need], member: str = "", prefixes: bool = False) -> NeededGrants:
    """The smallest grants. `member` replaces the principal; with `prefixes`, they are limited to the objects used."""
    grants: list[Grant] = []
    uncovered = []
    for one in needs:
        smallest = least_roles if one.target.type == ACCOUNT else smallest_roles
        roles = smallest(one.permissions, one.target, google_roles())
        if not roles:
            uncovered.append(one)
        prefix = one.prefix if prefixes else ""
        grants += [grant(member or one.principal, role.name, one.target, prefix) for role in roles]
    return NeededGrants(tuple(grants), tuple(uncovered))


def grant(principal: str, role: str, target: Resource, prefix: str) -> Grant:
    """A grant, limited to the objects whose names start with `prefix` if there is one."""
    if not prefix:
        return grant_of(principal, role, target)
    edit = Edit(target.bucket, role, principal, prefix)
    words = ["python", "-m", "iam", "grant", str(target), f"--role={role}", f"--member={principal}"]
    return Grant(
        principal, role, target, edit.gcloud, shlex.join([*words, f"--condition-prefix={prefix}"]), prefix
    )
