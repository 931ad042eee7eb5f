"""Reads a project: everything that decides who may do what in it, as far as the caller may see it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from iam.errors import IamError, MalformedPolicy, MalformedResource
from iam.policy.policies import deny_from_json
from iam.policy.roles import roles as google_roles
from iam.policy_reader import PROJECTS
from iam.project_import import parts
from iam.project_import.accounts import IAM, list_accounts, read_accounts, read_groups, read_roles
from iam.project_import.api import ProjectApi
from iam.project_import.buckets import list_buckets, read_buckets
from iam.project_import.snapshot import BucketSnapshot, ProjectSnapshot
from raydock.answers import rows, text
from raydock.errors import NotFound, PermissionDenied

PROJECT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Request:
    """What to import.

    buckets: further buckets to read, in case the list is hidden
    objects: how many objects of each bucket to list
    """

    project: str
    caller: str
    buckets: tuple[str, ...] = ()
    objects: int = 0


def require_id(project: str) -> None:
    """Raise MalformedResource unless this is a project's id, which the lab can use."""
    if not PROJECT_ID.fullmatch(project):
        what = "a project's number" if project.isdigit() else "not a project's id"
        text = f'"{project}" is {what}.'
        raise MalformedResource(text, "pass the project's id, such as my-project: gcloud projects list")


async def read_project(api: ProjectApi, request: Request) -> ProjectSnapshot:
    """Read a project. Raises PermissionDenied if nothing is visible, and NotFound for a bucket that does not exist."""
    about, policy, deny, listed, accounts = await asyncio.gather(
        read_about(api), read_policy(api), read_deny(api), list_buckets(api), list_accounts(api)
    )
    names = sorted({*(listed or ()), *request.buckets})
    buckets, known = await asyncio.gather(
        read_buckets(api, names, listed or {}, request.objects), read_accounts(api, accounts or {})
    )
    require_something(api, request)
    number, parent = about or (number_in(buckets), None)
    require_own(request, buckets, listed or {}, number)
    if about is None or parent:
        api.hide(parts.INHERITED, inherited_from(parent))
    found = ProjectSnapshot(
        id=request.project,
        caller=request.caller,
        number=number,
        parent=parent,
        policy=policy,
        deny=deny,
        buckets=buckets,
        accounts=known,
        all_buckets=listed is not None,
        all_accounts=accounts is not None,
    )
    return await with_names(api, found)


async def with_names(api: ProjectApi, found: ProjectSnapshot) -> ProjectSnapshot:
    """The snapshot, with the roles and groups that its policies name."""
    from dataclasses import replace

    missing = found.role_names() - google_roles().keys()
    groups = {member for member in found.members() if member.startswith("group:")}
    roles, members = await asyncio.gather(read_roles(api, missing), read_groups(api, groups))
    return replace(found, roles=roles, groups=members, hidden=tuple(api.hidden))


async def read_about(api: ProjectApi) -> tuple[str, str] | None:
    """The project's number and its parent, "" if it has none. Raises NotFound if the project does not exist."""
    what = f"the number and the parent of project {api.project}"
    try:
        found = await api.get(parts.PROJECT, what, PROJECTS, f"/v3/projects/{quote(api.project)}")
    except NotFound:
        raise missing(api.project) from None
    return None if found is None else (text(found.get("name")).rpartition("/")[2], text(found.get("parent")))


async def read_policy(api: ProjectApi) -> Any:
    """The project's own policy."""
    body = {"options": {"requestedPolicyVersion": 3}}
    path = f"/v3/projects/{quote(api.project)}:getIamPolicy"
    what = f"the policy of project {api.project}"
    return await api.policy(parts.PROJECT_POLICY, what, "POST", PROJECTS, path, body)


async def read_deny(api: ProjectApi) -> tuple[Mapping[str, Any], ...] | None:
    """The project's deny policies, reduced to their rules. None if any of them is hidden."""
    attached, what = (
        f"cloudresourcemanager.googleapis.com/projects/{api.project}",
        f"the deny policies of project {api.project}",
    )
    path = f"/v2/policies/{quote(attached, safe='')}/denypolicies"
    listed = await api.pages(parts.DENY, what, IAM, path, "policies")
    if listed is None:
        return None
    paths = [f"/v2/{quote(text(one.get('name')), safe='/%')}" for one in listed]
    found = await asyncio.gather(*(api.get(parts.DENY_RULES, what, IAM, one) for one in paths))
    documents = [{"rules": rows(one.get("rules"))} for one in found if one is not None]
    try:
        for document in documents:
            deny_from_json(document)
    except MalformedPolicy as fault:
        api.hide(parts.DENY, what, f"they could not be parsed: {fault.message}")
        return None
    return tuple(documents) if len(documents) == len(paths) else None


def require_something(api: ProjectApi, request: Request) -> None:
    """Raise PermissionDenied if every call was refused."""
    if api.seen:
        return
    who, project = request.caller or "Your account", request.project
    disabled = [one.why for one in api.hidden if one.why]
    text = f"{who} can't read anything in project {project}, or the project does not exist."
    member = request.caller or "MEMBER"
    role = f"gcloud projects add-iam-policy-binding {project} --member={member} --role={parts.REVIEWER}"
    raise PermissionDenied(text, disabled[0] if disabled else f"a project owner can grant access: {role}")


def require_own(
    request: Request, buckets: Mapping[str, BucketSnapshot], listed: Collection[str], number: str
) -> None:
    """Raise IamError for a bucket that was named but belongs to another project."""
    for name in request.buckets:
        access = buckets[name].access
        if name not in listed and access and number and access.project != number:
            text = f"gs://{name} belongs to project {access.project}, not to {request.project} ({number})."
            raise IamError(text, "remove it from --bucket, or import its own project")


def number_in(buckets: Mapping[str, BucketSnapshot]) -> str:
    """The project's number, from a bucket; "" if there is none."""
    return next((one.access.project for one in buckets.values() if one.access), "")


def inherited_from(parent: str | None) -> str:
    """The policies above a project, in words. They are never read: see docs/import.md."""
    above = parent or "a folder or an organization, if there is one"
    return f"the policies that are inherited from {above}"


def missing(project: str) -> NotFound:
    """The error for a project that does not exist."""
    return NotFound(f"Project {project} does not exist.", "list your projects: gcloud projects list")


def named_buckets(words: Sequence[str]) -> tuple[str, ...]:
    """The buckets in --bucket, as names. Raises MalformedResource."""
    from iam.policy.resource import parse_gs

    return tuple(parse_gs(f"gs://{word.removeprefix('gs://').rstrip('/')}")[0] for word in words)
