"""iam/lab.yaml as a value, parsed strictly: the lab's initial projects, principals, buckets and policies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iam.errors import IamError
from iam.lab.members import checked_policy
from iam.policy.document import DocumentReader
from iam.policy.policies import deny_from_json
from iam.policy.principal import parse
from iam.policy.roles import load_roles

KEYS = {"person", "job", "people", "groups", "roles", "projects"}
PROJECT_KEYS = {"number", "policy", "deny", "accounts", "buckets"}
BUCKET_KEYS = {"bindings", "objects"}

READ = DocumentReader(IamError)


@dataclass(frozen=True, slots=True)
class LabBucket:
    """A bucket in lab.yaml."""

    project: str
    bindings: list[dict[str, Any]]  # in addition to every new bucket's legacy bindings
    objects: dict[str, str]  # its initial objects: name → content


@dataclass(frozen=True, slots=True)
class LabFile:
    """A valid lab.yaml. Its policies are in Google's JSON format, with only known roles and members."""

    person: str
    job: str
    people: list[str]
    groups: dict[str, list[str]]
    roles: dict[str, list[str]]
    numbers: dict[str, int]  # keyed by project, like the next two
    policies: dict[str, dict[str, Any]]
    deny: dict[str, list[dict[str, Any]]]
    accounts: dict[str, str]  # account → project
    buckets: dict[str, LabBucket]


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
        document = yaml.safe_load(text)
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
    accounts, buckets = list[str](), list[str]()
    for project, body in projects.items():
        refuse_unknown(READ.mapping(body, READ.text(project, "a project")), PROJECT_KEYS, project)
        accounts += texts(body.get("accounts"), f"{project}.accounts")
        for name, known in READ.mapping(body.get("buckets") or {}, f"{project}.buckets").items():
            buckets.append(READ.text(name, f"{project}.buckets"))
            refuse_unknown(READ.mapping(known or {}, name), BUCKET_KEYS, name)
    for name, count in Counter((*accounts, *buckets)).items():
        if count > 1:
            raise IamError(f"{name} is defined {count} times.")
    found = LabFile(
        person=READ.text(document["person"], "person"),
        job=READ.text(document["job"], "job"),
        people=texts(document.get("people"), "people"),
        groups=lists(document.get("groups"), "groups"),
        roles=lists(document.get("roles"), "roles"),
        numbers={project: number(body["number"], f"{project}.number") for project, body in projects.items()},
        policies={project: body.get("policy") or {} for project, body in projects.items()},
        deny={project: list(body.get("deny") or ()) for project, body in projects.items()},
        accounts={one: project for project, body in projects.items() for one in body.get("accounts") or ()},
        buckets={
            name: new_bucket(project, known or {})
            for project, body in projects.items()
            for name, known in (body.get("buckets") or {}).items()
        },
    )
    check(found)
    return found


def new_bucket(project: str, known: Mapping[str, Any]) -> LabBucket:
    """Convert one entry of `buckets`."""
    objects = READ.mapping(known.get("objects") or {}, "objects")
    return LabBucket(
        project,
        READ.items(known.get("bindings") or [], "bindings"),
        {READ.text(name, "objects"): READ.text(text, f"objects.{name}") for name, text in objects.items()},
    )


def texts(item: object, where: str) -> list[str]:
    """Convert an optional list of strings."""
    return list(READ.texts(item or [], where))


def lists(item: object, where: str) -> dict[str, list[str]]:
    """Convert an optional object whose values are lists of strings."""
    found = READ.mapping(item or {}, where)
    return {READ.text(name, where): texts(names, f"{where}.{name}") for name, names in found.items()}


def number(item: object, where: str) -> int:
    """Convert a project number."""
    if isinstance(item, bool) or not re.fullmatch(r"[0-9]+", str(item)):
        raise IamError(f"{where} must be a project number, not {item!r}.")
    return int(str(item))


def refuse_unknown(fields: Mapping[str, Any], known: set[str], where: str) -> None:
    """Raise IamError for a key that is not in `known`."""
    for key in fields:
        if key not in known:
            raise IamError(f"{where} has an unknown key {key!r}; allowed: {', '.join(sorted(known))}.")


def check(found: LabFile) -> None:
    """Raise IamError for a principal, policy or deny rule that is malformed or contains an unknown member."""
    grouped = (member for members in found.groups.values() for member in members)
    for member in (found.person, found.job, *found.people, *found.groups, *grouped):
        parse(member)
    roles = load_roles({name: frozenset(held) for name, held in found.roles.items()})
    for policy in found.policies.values():
        checked_policy(policy, roles, found)
    for one in found.buckets.values():
        checked_policy({"version": 3, "bindings": one.bindings}, roles, found)
    for documents in found.deny.values():
        for document in documents:
            deny_from_json(document)
