"""iam/lab.yaml as a value, parsed strictly: the lab's initial projects, principals, buckets and policies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iam.errors import IamError
from iam.lab.imported import READ, LabCluster, LabRole, clusters_of, groups_of, roles_of
from iam.lab.members import checked_policy
from iam.lab.projects import (
    PROJECT_KEYS,
    LabAccount,
    LabBucket,
    LabProject,
    accounts_of,
    buckets_of,
    project_of,
    refuse_unknown,
)
from iam.policy.policies import deny_from_json
from iam.policy.principal import parse
from iam.policy.roles import load_roles

KEYS = {"user", "job", "users", "groups", "roles", "projects", "clusters"}


@dataclass(frozen=True, slots=True)
class LabFile:
    """A valid lab.yaml. Its policies are in Google's JSON format, with only known roles and members."""

    user: str
    job: str
    users: list[str]
    groups: dict[str, list[str] | None]  # None: the members are unknown
    roles: dict[str, LabRole]
    projects: dict[str, LabProject]
    numbers: dict[str, int]  # keyed by project, like the next two
    policies: dict[str, dict[str, Any]]
    deny: dict[str, list[dict[str, Any]]]
    accounts: dict[str, LabAccount]
    buckets: dict[str, LabBucket]
    clusters: dict[str, LabCluster]


def read(path: Path) -> LabFile:
    """Parse a lab.yaml. Raises IamError, with the location of the error in the file."""
    return loads(content(path), path.name)


def content(path: Path) -> bytes:
    """Return the bytes of a lab.yaml. Raises IamError if this user may not read it."""
    try:
        return path.read_bytes()
    except OSError as fault:
        # `chmod +r` without the `a` would honor the umask.
        raise IamError(
            f"Could not read {path}: {fault.strerror}.",
            "Make the file that LAB_FILE points to readable for every user: chmod a+r iam/lab.yaml",
        ) from None


def loads(text: bytes, name: str) -> LabFile:
    """Parse the text of a lab.yaml; `name` is its name in messages. Raises IamError, like `read`."""
    import yaml

    fix = f"Fix {name}"
    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as fault:
        # PyYAML doesn't wrap the errors of its constructors: a date such as 2024-13-45, `!!bool x`.
        raise IamError(f"{name} is not valid YAML: {' '.join(str(fault).split())}.", fix) from None
    try:
        return parsed(document)
    except (IamError, KeyError, TypeError, ValueError, AttributeError) as fault:
        why = fault.message if isinstance(fault, IamError) else f"{type(fault).__name__} {fault}"
        raise IamError(f"{name} is invalid: {why}", fix) from None


def parsed(document: Mapping[str, Any]) -> LabFile:
    """Convert the YAML document of a lab.yaml. Raises IamError, or what a missing key or a wrong type raises."""
    refuse_unknown(READ.mapping(document, "the file"), KEYS, "the file")
    projects = READ.mapping(document["projects"], "projects")
    accounts, buckets = list[tuple[str, LabAccount]](), list[tuple[str, LabBucket]]()
    for project, body in projects.items():
        refuse_unknown(READ.mapping(body, READ.text(project, "a project")), PROJECT_KEYS, project)
        accounts += accounts_of(project, body).items()
        buckets += buckets_of(project, body).items()
    for name, times in Counter(name for name, _ in (*accounts, *buckets)).items():
        if times > 1:
            raise IamError(f"{name} is defined {times} times.")
    found = LabFile(
        user=READ.text(document["user"], "user"),
        job=READ.text(document["job"], "job"),
        users=list(READ.texts(document.get("users") or [], "users")),
        groups=groups_of(document.get("groups")),
        roles=roles_of(document.get("roles")),
        projects={project: project_of(project, body) for project, body in projects.items()},
        numbers={project: number(body["number"], f"{project}.number") for project, body in projects.items()},
        policies={project: body.get("policy") or {} for project, body in projects.items()},
        deny={project: list(body.get("deny") or ()) for project, body in projects.items()},
        accounts=dict(accounts),
        buckets=dict(buckets),
        clusters=clusters_of(document.get("clusters")),
    )
    check(found)
    return found


def number(item: object, where: str) -> int:
    """Convert a project number."""
    if isinstance(item, bool) or not re.fullmatch(r"[0-9]+", str(item)):
        raise IamError(f"{where} must be a project number, not {item!r}.")
    return int(str(item))


def check(found: LabFile) -> None:
    """Raise IamError for a principal, policy or deny rule that is malformed or contains an unknown member."""
    grouped = (member for members in found.groups.values() for member in members or ())
    importers = (project.imported for project in found.projects.values() if project.imported)
    for member in (found.user, found.job, *found.users, *found.groups, *grouped, *importers):
        parse(member)
    policies = [
        *found.policies.values(),
        *(one.document for one in found.buckets.values()),
        *(one.policy for one in found.accounts.values()),
    ]
    known = {*load_roles(), *found.roles}
    for policy in policies:
        checked_policy(policy, known, found)
    for documents in found.deny.values():
        for document in documents:
            deny_from_json(document)
