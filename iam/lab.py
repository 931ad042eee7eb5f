"""The lab's settings and iam/lab.yaml as values, parsed strictly.

`python -m cluster up` validates both before it starts a cluster, and the lab's cloud starts from them.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from iam.errors import IamError, MalformedPolicy
from iam.policy.document import DocumentReader
from iam.policy.policies import Policy, deny_from_json, policy_from_json
from iam.policy.principal import is_service_agent, normal, parse
from iam.policy.roles import load_roles
from raydock import units

FILE = Path(__file__).with_name("lab.yaml")
KEYS = {"person", "job", "people", "groups", "roles", "projects"}
PROJECT_KEYS = {"number", "policy", "deny", "accounts", "buckets"}
BUCKET_KEYS = {"bindings", "objects"}
MAX_TOKEN_SECONDS = 43200  # Google's limit for a service account's token, 12 hours
EGRESS_ALLOW = "LAB_EGRESS_ALLOW"
OLD_EGRESS_ALLOW = "LAB_WAY_OUT"  # its name before the rename; read for one more release

READ = DocumentReader(IamError)

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


@dataclass(frozen=True, slots=True)
class LabSettings:
    """The user's settings of the lab; see .env.example."""

    file: Path
    project: str
    service_account: str  # the account that jobs run as; empty: the file's `job`
    token_seconds: float
    egress_allow: tuple[Network, ...]


def settings(environ: Mapping[str, str], root: Path = Path()) -> LabSettings:
    """Parse the lab's settings. A relative LAB_FILE is relative to `root`. Raises IamError, which names the setting."""
    return LabSettings(
        file=existing_file(root / Path(environ.get("LAB_FILE") or FILE).expanduser()),
        project=environ.get("LAB_PROJECT") or "lab-project",
        service_account=environ.get("LAB_SERVICE_ACCOUNT", "").strip().removeprefix("serviceAccount:"),
        token_seconds=token_seconds(environ.get("LAB_TOKEN_TTL") or "3600"),
        egress_allow=egress_allow(environ),
    )


def egress_allow(environ: Mapping[str, str]) -> tuple[Network, ...]:
    """The networks of LAB_EGRESS_ALLOW, or of its old name if that alone is set. Raises IamError, which names it."""
    name = EGRESS_ALLOW if environ.get(EGRESS_ALLOW) else OLD_EGRESS_ALLOW
    return networks(name, environ.get(name, ""))


def renamed_setting(environ: Mapping[str, str]) -> str:
    """The warning for a setting that still has its old name; "" if there is none."""
    if not environ.get(OLD_EGRESS_ALLOW):
        return ""
    ignored = " Its value is ignored because both are set." if environ.get(EGRESS_ALLOW) else ""
    return f"{OLD_EGRESS_ALLOW} is deprecated: rename it to {EGRESS_ALLOW}.{ignored}"


def existing_file(path: Path) -> Path:
    """Return the path of LAB_FILE. Raises IamError if it is not a file."""
    if not os.path.isfile(path):  # never raises, unlike Path.is_file
        raise IamError(f"LAB_FILE names {path}, which does not exist.", "Fix LAB_FILE, or unset it")
    return path


def token_seconds(text: str) -> float:
    """Parse LAB_TOKEN_TTL, a duration of 1 second to 12 hours. Raises IamError."""
    try:
        value = units.seconds(text)
    except ValueError:
        value = 0
    if not 1 <= value <= MAX_TOKEN_SECONDS:
        raise IamError(
            f"LAB_TOKEN_TTL is {text!r}.", f"Set it to a number of seconds from 1 to {MAX_TOKEN_SECONDS}"
        )
    return value


def networks(name: str, text: str) -> tuple[Network, ...]:
    """The networks of the setting `name`. Raises IamError for a malformed one."""
    try:
        return tuple(ipaddress.ip_network(word.strip()) for word in text.split(",") if word.strip())
    except ValueError as fault:
        raise IamError(f"{name} is {text!r}: {fault}.", "Write it as 10.0.0.0/8,192.168.1.0/24") from None


@dataclass(frozen=True, slots=True)
class LabBucket:
    """A bucket of lab.yaml."""

    project: str
    bindings: list[dict[str, Any]]  # in addition to the legacy ones of every new bucket
    objects: dict[str, str]  # its initial objects: name to text


@dataclass(frozen=True, slots=True)
class LabFile:
    """A valid lab.yaml. Its policies are Google's JSON and name only known roles and members."""

    person: str
    job: str
    people: list[str]
    groups: dict[str, list[str]]
    roles: dict[str, list[str]]
    numbers: dict[str, int]  # by project, as are the next two
    policies: dict[str, dict[str, Any]]
    deny: dict[str, list[dict[str, Any]]]
    accounts: dict[str, str]  # the project of each account
    buckets: dict[str, LabBucket]


def read(path: Path) -> LabFile:
    """Parse a lab.yaml. Raises IamError, which names the place of the error in the file."""
    return loads(content(path), path.name)


def content(path: Path) -> bytes:
    """Return the bytes of a lab.yaml. Raises IamError if this user may not read it."""
    try:
        return path.read_bytes()
    except OSError as fault:
        # `chmod +r` without the `a` would honor the umask.
        raise IamError(
            f"Could not read {path}: {fault.strerror}.",
            "Let every user read the file that LAB_FILE names: chmod a+r iam/lab.yaml",
        ) from None


def loads(text: bytes, name: str) -> LabFile:
    """Parse the text of a lab.yaml; `name` is its name in messages. Raises IamError as `read` does."""
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
            raise IamError(f"{where} has the unknown key {key!r}; allowed are {', '.join(sorted(known))}.")


def check(found: LabFile) -> None:
    """Raise IamError for a principal, policy or deny rule that is malformed or names an unknown member."""
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


def job_principal(service_account: str, accounts: Collection[str]) -> str:
    """The principal of LAB_SERVICE_ACCOUNT, "" if unset. Raises IamError if there is no such account."""
    if service_account and service_account not in accounts and not is_service_agent(service_account):
        raise IamError(
            f"LAB_SERVICE_ACCOUNT names {service_account}, which is not an account of the lab.",
            f"Use one of these, or add it to iam/lab.yaml: {', '.join(accounts) or 'none'}",
        )
    return f"serviceAccount:{service_account}" if service_account else ""


class Members(Protocol):
    """The principals of a lab."""

    @property
    def person(self) -> str:
        """The user of this machine, who owns the projects."""
        ...

    @property
    def people(self) -> Collection[str]:
        """The other users."""
        ...

    @property
    def groups(self) -> Collection[str]:
        """The groups, as principals."""
        ...

    @property
    def accounts(self) -> Collection[str]:
        """The email addresses of the service accounts."""
        ...


def checked_policy(document: Mapping[str, Any], roles: Collection[str], members: Members) -> Policy:
    """Parse a policy. Raises MalformedPolicy if it is malformed or names an unknown role or member."""
    policy = policy_from_json(document)
    for binding in policy.bindings:
        if binding.role not in roles:
            raise MalformedPolicy(f"Role {binding.role} is not supported for this resource.")
        for member in binding.members:
            require_member(member, members)
    return policy


def require_member(member: str, members: Members) -> None:
    """Raise MalformedPolicy, with Google's wording, if a user, group or service account does not exist."""
    kind, _, value = normal(member).partition(":")
    exists = {
        "user": normal(member) in [normal(one) for one in (members.person, *members.people)],
        "group": normal(member) in [normal(one) for one in members.groups],
        "serviceAccount": value in members.accounts or is_service_agent(value),
    }
    if not exists.get(kind, True):
        what = {"user": "User", "group": "Group"}.get(kind, "Service account")
        raise MalformedPolicy(f"{what} {value} does not exist.")
