"""The lab's world: projects, people, accounts, buckets and their policies, as they are now.

It begins as iam/lab.yaml says and is kept in a file, so that a restart loses nothing; a changed lab.yaml
begins it anew. Every reader asks it; `cloud/policies.py` and `cloud/storage.py` change it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.tokens import write_private
from iam.errors import IamError, MalformedPolicy
from iam.evaluate import Decision, Policies, decide
from iam.policy import DenyRule, Policy, deny_from_json, policy_from_json, policy_to_json
from iam.principal import is_service_agent, normal, parse
from iam.resource import ACCOUNT, Resource
from iam.roles import Role, load_roles

# What a new bucket has: https://cloud.google.com/storage/docs/access-control/iam-roles#basic-roles-modifiable
LEGACY = {
    "roles/storage.legacyBucketOwner": ("projectEditor", "projectOwner"),
    "roles/storage.legacyBucketReader": ("projectViewer",),
    "roles/storage.legacyObjectOwner": ("projectEditor", "projectOwner"),
    "roles/storage.legacyObjectReader": ("projectViewer",),
}


@dataclass(slots=True)
class Holder:
    """Something that carries a policy: a project, a bucket or a service account."""

    project: str
    policy: dict[str, Any]  # Google's JSON
    revision: int = 1

    @property
    def etag(self) -> str:
        return f"BwY{self.revision:08x}="

    def parsed(self) -> Policy:
        return policy_from_json({key: value for key, value in self.policy.items() if key != "etag"})


@dataclass(slots=True)
class World:
    """Everything that the lab's cloud knows. `file` is where it is kept; none for tests."""

    person: str
    job: str
    numbers: dict[str, int]
    people: list[str]
    groups: dict[str, list[str]]
    roles: dict[str, list[str]]
    deny: dict[str, list[dict[str, Any]]]
    projects: dict[str, Holder]
    buckets: dict[str, Holder]
    accounts: dict[str, Holder]
    objects: dict[str, dict[str, str]] = field(default_factory=dict)  # texts that buckets begin with, by name
    source: str = ""  # digest of the lab.yaml that it began as
    file: Path | None = None
    # Read once: policies by name and revision, the roles, the groups.
    known: dict[str, tuple[int, Policy]] = field(default_factory=dict, repr=False)
    all_roles: Mapping[str, Role] = field(init=False, repr=False)
    members: Mapping[str, frozenset[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.all_roles = load_roles({name: frozenset(held) for name, held in self.roles.items()})
        self.members = {name: frozenset(members) for name, members in self.groups.items()}

    def decide(self, principal: str, permission: str, resource: Resource, **more: Any) -> Decision:
        """The verdict of `iam`, with all that the lab knows."""
        known = {"roles": self.all_roles, "groups": self.members, **more}
        return decide(principal, permission, resource, self.policies(resource), **known)

    def policies(self, resource: Resource) -> Policies:
        """The policies that count for a resource."""
        own: Holder | None = None
        project = resource.name.split("/")[1]
        if resource.bucket:
            own = self.buckets.get(resource.bucket)
            project = own.project if own else ""
        elif resource.type == ACCOUNT:
            own = self.accounts.get(resource.name.rpartition("/")[2])
        holder = self.projects.get(project)
        return Policies(
            bucket=self.parsed(resource.name, own) if own else Policy(),
            project=self.parsed(project, holder) if holder else Policy(),
            project_id=project,
            deny=self.deny_rules(project),
        )

    def parsed(self, name: str, holder: Holder) -> Policy:
        """A holder's policy as a value, read once for each revision."""
        key = name.partition("/objects/")[0]
        revision, policy = self.known.get(key, (0, Policy()))
        if revision != holder.revision:
            policy = holder.parsed()
            self.known[key] = (holder.revision, policy)
        return policy

    def deny_rules(self, project: str) -> tuple[DenyRule, ...]:
        return tuple(rule for document in self.deny.get(project, ()) for rule in deny_from_json(document))

    def number(self, project: str) -> int:
        return self.numbers[project]

    def project_named(self, name: str) -> str:
        """The project id for an id or a number; empty where there is none."""
        if name in self.projects:
            return name
        return next((project for project, number in self.numbers.items() if str(number) == name), "")

    def add_bucket(self, name: str, project: str) -> None:
        """A bucket with the bindings that a new one has."""
        self.buckets[name] = Holder(project, {"version": 1, "bindings": legacy_bindings(project)})
        self.known.pop(f"projects/_/buckets/{name}", None)

    def set_policy(self, holder: Holder, document: Mapping[str, Any]) -> None:
        """Takes a new policy. MalformedPolicy where it can't be understood, or names who is not there."""
        policy = policy_from_json(document)
        roles = self.all_roles
        for binding in policy.bindings:
            if binding.role not in roles:
                raise MalformedPolicy(f"Role {binding.role} is not supported for this resource.")
            for member in binding.members:
                self.require_member(member)
        holder.policy = {k: v for k, v in policy_to_json(policy).items() if k != "etag"}
        holder.revision += 1

    def require_member(self, member: str) -> None:
        """MalformedPolicy for a person, a group or an account that does not exist, as Google has it."""
        kind, _, value = normal(member).partition(":")
        there = {
            "user": normal(member) in [normal(one) for one in (self.person, *self.people)],
            "group": normal(member) in [normal(one) for one in self.groups],
            "serviceAccount": value in self.accounts or is_service_agent(value),
        }
        if not there.get(kind, True):
            what = {"user": "User", "group": "Group"}.get(kind, "Service account")
            raise MalformedPolicy(f"{what} {value} does not exist.")

    def save(self) -> None:
        if self.file:
            write_private(self.file, json.dumps(self.as_json(), indent=1).encode())

    def as_json(self) -> dict[str, Any]:
        def plain(holders: Mapping[str, Holder]) -> dict[str, Any]:
            return {
                n: {"project": h.project, "policy": h.policy, "revision": h.revision}
                for n, h in holders.items()
            }

        return {
            "person": self.person,
            "job": self.job,
            "numbers": self.numbers,
            "people": self.people,
            "groups": self.groups,
            "roles": self.roles,
            "deny": self.deny,
            "projects": plain(self.projects),
            "buckets": plain(self.buckets),
            "accounts": plain(self.accounts),
            "objects": self.objects,
            "source": self.source,
        }


def legacy_bindings(project: str) -> list[dict[str, Any]]:
    return [
        {"role": role, "members": [f"{kind}:{project}" for kind in kinds]} for role, kinds in LEGACY.items()
    ]


def load(lab: Path, state: Path | None, job: str = "") -> World:
    """The world that is kept in the folder `state`, or the one of lab.yaml if that has changed since.

    `job` names another identity for jobs: an account's address. Raises IamError with the place in the file.
    """
    text = lab.read_bytes()
    source = hashlib.sha256(text).hexdigest()
    file = state / "world.json" if state else None
    world = restored(file, source) or begun(text, lab.name)
    world.source, world.file = source, file
    world.job = named_job(world, job) or begun(text, lab.name).job
    world.save()
    return world


def named_job(world: World, job: str) -> str:
    """The principal of LAB_SERVICE_ACCOUNT. IamError where there is no such account."""
    address = job.strip().removeprefix("serviceAccount:")
    if address and address not in world.accounts and not is_service_agent(address):
        raise IamError(
            f"LAB_SERVICE_ACCOUNT names {address}, and the lab has no such account.",
            f"Use one of these, or add it to iam/lab.yaml: {', '.join(world.accounts) or 'none'}",
        )
    return f"serviceAccount:{address}" if address else ""


def restored(file: Path | None, source: str) -> World | None:
    """The world as it was kept; None where there is none, or lab.yaml is another one now."""
    if file is None or not file.exists():
        return None
    kept = json.loads(file.read_text())
    if kept["source"] != source:
        return None
    holders: dict[str, Any] = {
        kind: {name: Holder(**fields) for name, fields in kept.pop(kind).items()}
        for kind in ("projects", "buckets", "accounts")
    }
    return World(**kept, **holders)


def begun(text: bytes, name: str) -> World:
    """The world of a lab.yaml. Raises IamError, which names the place."""
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise IamError(f"{name} is no YAML: {' '.join(str(fault).split())}.", f"Mend {name}") from None
    try:
        return read(document)
    except (IamError, KeyError, TypeError, ValueError, AttributeError) as fault:
        told = fault.message if isinstance(fault, IamError) else f"{type(fault).__name__} {fault}"
        raise IamError(f"{name} can't be understood: {told}", f"Mend {name}") from None


KEYS = {"person", "job", "people", "groups", "roles", "projects"}
PROJECT_KEYS = {"number", "policy", "deny", "accounts", "buckets"}
BUCKET_KEYS = {"bindings", "objects"}


def read(document: Mapping[str, Any]) -> World:
    """The world that a parsed lab.yaml describes."""
    refuse_unknown(document, KEYS, "the file")
    world = World(
        person=document["person"],
        job=document["job"],
        numbers={},
        people=list(document.get("people") or ()),
        groups={name: list(members) for name, members in (document.get("groups") or {}).items()},
        roles={name: list(held) for name, held in (document.get("roles") or {}).items()},
        deny={},
        projects={},
        buckets={},
        accounts={},
    )
    for member in (world.person, world.job, *world.people, *world.groups):
        parse(member)
    for project, body in document["projects"].items():
        refuse_unknown(body, PROJECT_KEYS, project)
        world.numbers[project] = int(body["number"])
        world.projects[project] = Holder(project, {"version": 1, "bindings": []})
        world.deny[project] = list(body.get("deny") or ())
        for account in body.get("accounts") or ():
            world.accounts[account] = Holder(project, {"version": 1, "bindings": []})
        for bucket, known in (body.get("buckets") or {}).items():
            refuse_unknown(known or {}, BUCKET_KEYS, bucket)
            world.add_bucket(bucket, project)
            world.objects[bucket] = dict((known or {}).get("objects") or {})
    for project, body in document["projects"].items():
        world.set_policy(world.projects[project], body.get("policy") or {})
        world.deny_rules(project)
        for bucket, known in (body.get("buckets") or {}).items():
            bindings = [*legacy_bindings(project), *((known or {}).get("bindings") or ())]
            world.set_policy(world.buckets[bucket], {"version": 3, "bindings": bindings})
    return world


def refuse_unknown(fields: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in fields:
        if key not in known:
            raise IamError(f"{where} has {key!r}; known are {', '.join(sorted(known))}.")
