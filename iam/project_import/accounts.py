"""Reads a project's service accounts, and the roles and groups that its policies name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from iam.errors import IamError
from iam.lab.imported import LabRole
from iam.policy.principal import parse
from iam.project_import import parts
from iam.project_import.api import ProjectApi
from iam.project_import.snapshot import AccountSnapshot
from raydock.answers import mapping, text, texts
from raydock.errors import NotFound, Unreachable

IAM = "iam.googleapis.com"
GROUPS = "cloudidentity.googleapis.com"
KINDS = {"USER": "user", "SERVICE_ACCOUNT": "serviceAccount", "GROUP": "group"}


async def list_accounts(api: ProjectApi) -> dict[str, bool] | None:
    """The project's service accounts, and whether each is disabled. None if the list is hidden."""
    path = f"/v1/projects/{quote(api.project)}/serviceAccounts?pageSize=100"
    what = f"the list of service accounts of project {api.project}"
    found = await api.pages(parts.ACCOUNTS, what, IAM, path, "accounts")
    return None if found is None else {text(one.get("email")): one.get("disabled") is True for one in found}


async def read_accounts(api: ProjectApi, known: Mapping[str, bool]) -> dict[str, AccountSnapshot]:
    """Read the policies of service accounts."""
    policies = await asyncio.gather(
        *(
            api.policy(
                parts.ACCOUNT_POLICY,
                f"the policy of {address}",
                "POST",
                IAM,
                f"/v1/projects/{quote(api.project)}/serviceAccounts/{quote(address)}"
                ":getIamPolicy?options.requestedPolicyVersion=3",
            )
            for address in known
        )
    )
    return {
        address: AccountSnapshot(policy, disabled)
        for (address, disabled), policy in zip(known.items(), policies, strict=True)
    }


async def read_roles(api: ProjectApi, names: Iterable[str]) -> dict[str, LabRole]:
    """Read custom roles, and those of Google's that are not in iam/policy/roles.yaml."""
    wanted = sorted(names)
    return dict(zip(wanted, await asyncio.gather(*(read_role(api, name) for name in wanted)), strict=True))


async def read_role(api: ProjectApi, name: str) -> LabRole:
    """Read one role. One that does not exist grants nothing, like a deleted one."""
    try:
        found = await api.get(parts.ROLE, f"the permissions of {name}", IAM, f"/v1/{quote(name)}")
    except NotFound:
        return LabRole((), "DELETED")
    if found is None:
        return LabRole(None)
    stage = "DELETED" if found.get("deleted") is True else text(found.get("stage")) or "GA"
    return LabRole(tuple(texts(found.get("includedPermissions"))), stage)


async def read_groups(api: ProjectApi, names: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
    """Read the members of groups, and of the groups in them. None for a group whose members are hidden."""
    found: dict[str, tuple[str, ...] | None] = {}
    wanted = set(names)
    while wanted:
        now = sorted(wanted)
        found |= dict(zip(now, await asyncio.gather(*(read_group(api, one) for one in now)), strict=True))
        wanted = {m for one in now for m in found[one] or () if m.startswith("group:")} - found.keys()
    return found


async def read_group(api: ProjectApi, name: str) -> tuple[str, ...] | None:
    """A group's members, from Cloud Identity."""
    what, address = f"the members of {name}", name.partition(":")[2]
    path = f"/v1/groups:lookup?groupKey.id={quote(address)}"
    try:
        group = await api.get(parts.GROUP, what, GROUPS, path)
        if group is None:
            return None
        memberships = f"/v1/{quote(text(group.get('name')))}/memberships?view=FULL&pageSize=500"
        found = await api.pages(parts.GROUP, what, GROUPS, memberships, "memberships")
        return None if found is None else members_of(found)
    except (NotFound, Unreachable):  # also if the API is not available, as in the lab
        api.hide(parts.GROUP, what)
    except IamError as fault:
        api.hide(parts.GROUP, what, fault.message)
    return None


def members_of(memberships: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The members as principals. Raises IamError for one of a kind that policies don't know."""
    found = []
    for one in memberships:
        key, kind = mapping(one.get("preferredMemberKey")), text(one.get("type"))
        if kind not in KINDS or key.get("namespace"):
            raise IamError(f"it has a member of type {kind or 'unknown'}, which policies don't know")
        member = f"{KINDS[kind]}:{text(key.get('id'))}"
        parse(member)
        found.append(member)
    return tuple(found)
