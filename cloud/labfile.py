"""iam/lab.yaml read into a world, and a world as it was kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.world import Holder, World, legacy_bindings
from iam.errors import IamError
from iam.principal import is_service_agent, parse


def load(lab: Path, state: Path | None, job: str = "") -> World:
    """The world that is kept in the folder `state`, or the one of lab.yaml if that has changed since.

    `job` names another identity for jobs: an account's address. Raises IamError with the place in the file.
    """
    text = lab.read_bytes()
    source = hashlib.sha256(text).hexdigest()
    file = state / "world.json" if state else None
    fresh = begun(text, lab.name)
    world = restored(file, source) or fresh
    world.source, world.file = source, file
    world.job = named_job(world, job) or fresh.job
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


@dataclass(slots=True)
class Kept:
    """The world that another process keeps in a file, as it is now: read again whenever the file has changed."""

    file: Path
    stamp: tuple[int, int] = (0, 0)
    read: World | None = None

    def world(self) -> World:
        """IamError where there is none: the lab's cloud has not started yet."""
        try:
            about = self.file.stat()
            if self.read is None or self.stamp != (about.st_mtime_ns, about.st_ino):
                self.read = restored(self.file, json.loads(self.file.read_text())["source"])
                self.stamp = (about.st_mtime_ns, about.st_ino)
        except FileNotFoundError:
            self.read = None
        if self.read is None:
            raise IamError(f"There is no {self.file}: the lab's cloud has not started.", "Start it first")
        return self.read


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
