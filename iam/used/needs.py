"""The permissions that runs needed, and the smallest roles that include them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from iam.grant import Edit
from iam.policy.least_role import Grant, grant_of, least_roles
from iam.policy.principal import ANONYMOUS
from iam.policy.resource import ACCOUNT, Resource
from iam.policy.roles import roles as google_roles
from iam.used.attribution import Attributed
from iam.used.decisions import Decided
from iam.used.folders import common_folder
from iam.used.jobs import JobRun
from iam.used.roles import smallest_roles

LOOK_UP = "storage.buckets.get"
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


def is_background(one: Decided, run: JobRun) -> bool:
    """Whether it is a lookup that google-cloud-storage makes on its own, for traces, and whose refusal it ignores.

    Since version 3.17, it looks up every bucket in a thread (_bucket_metadata_cache.py). That is the same request as
    `client.get_bucket()`, so the job's source decides.
    """
    return one.permission == LOOK_UP and one.client == "gcloud-python" and not run.looks_up


def is_needed(one: Decided, run: JobRun) -> bool:
    """Whether a run needed what a decision granted or, if it did not succeed, denied."""
    return (one.granted or not run.succeeded) and not is_background(one, run)


def as_one(runs: Sequence[Attributed]) -> Sequence[Attributed]:
    """The runs, as if one identity had made all of them: the first one's. Unchanged if one of them used several."""
    if any(len(one.principals) > 1 for one in runs):
        return runs
    principal = next((name for one in runs for name in one.principals), "")
    return [
        replace(
            attributed,
            decisions=tuple(
                one if one.principal == ANONYMOUS else replace(one, principal=principal)
                for one in attributed.decisions
            ),
        )
        for attributed in runs
    ]


def spare_in(attributed: Attributed) -> set[tuple[str, Resource]]:
    """What a run that succeeded was denied throughout: permissions and resources."""
    if not attributed.run.succeeded:
        return set()
    granted, denied = (
        {(one.permission, one.target) for one in attributed.decisions if one.granted is outcome}
        for outcome in (True, False)
    )
    return denied - granted


def needs_of(runs: Sequence[Attributed], again: bool = False) -> tuple[Need, ...]:
    """What the runs needed. What was denied in a run that succeeded was not needed in the others either.

    Runs as different identities, such as that of `--as-least`, are one job's, so their needs are the first one's.

    again: include what another run needs to replace the objects that this one created
    """
    runs = as_one(runs)
    spare = {pair for attributed in runs for pair in spare_in(attributed)}
    grouped: dict[tuple[str, Resource], list[Decided]] = {}
    for attributed in runs:
        for one in attributed.decisions:
            if one.principal == ANONYMOUS:  # what is public needs no role, and what is not needs credentials
                continue
            if is_needed(one, attributed.run) and (one.permission, one.target) not in spare:
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
