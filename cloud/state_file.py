"""The world that iam/lab.yaml begins, and a world as it was kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.lab_state import LabState, PolicyHolder, legacy_bindings
from iam import lab
from iam.errors import IamError


def load(file: Path, state: Path | None, service_account: str = "") -> LabState:
    """The world that is kept in the folder `state`, or the one of lab.yaml if that has changed since.

    `service_account` names another identity for jobs. Raises IamError with the place in the file.
    """
    text = lab.content(file)  # once, so that the digest is of what is parsed
    source = hashlib.sha256(text).hexdigest()
    kept = state / "world.json" if state else None
    fresh = begun(lab.loads(text, file.name))
    world = restored(kept, source) or fresh
    world.source, world.file = source, kept
    world.job = lab.job_principal(service_account, world.accounts) or fresh.job
    world.save()
    return world


def restored(file: Path | None, source: str) -> LabState | None:
    """The world as it was kept; None where there is none, or lab.yaml is another one now."""
    if file is None or not file.exists():
        return None
    kept = json.loads(file.read_text())
    if kept["source"] != source:
        return None
    holders: dict[str, Any] = {
        kind: {name: PolicyHolder(**fields) for name, fields in kept.pop(kind).items()}
        for kind in ("projects", "buckets", "accounts")
    }
    return LabState(**kept, **holders)


@dataclass(slots=True)
class StateFile:
    """The world that another process keeps in a file, as it is now: read again whenever the file has changed."""

    file: Path
    stamp: tuple[int, int] = (0, 0)
    read: LabState | None = None

    def world(self) -> LabState:
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


def begun(found: lab.LabFile) -> LabState:
    """The world as lab.yaml describes it."""
    world = LabState(
        person=found.person,
        job=found.job,
        numbers=found.numbers,
        people=found.people,
        groups=found.groups,
        roles=found.roles,
        deny=found.deny,
        projects={
            project: PolicyHolder(project, {"version": 1, "bindings": []}) for project in found.numbers
        },
        buckets={},
        accounts={
            account: PolicyHolder(project, {"version": 1, "bindings": []})
            for account, project in found.accounts.items()
        },
    )
    for project, policy in found.policies.items():
        world.set_policy(world.projects[project], policy)
    for name, bucket in found.buckets.items():
        world.add_bucket(name, bucket.project)
        world.objects[name] = bucket.objects
        bindings = [*legacy_bindings(bucket.project), *bucket.bindings]
        world.set_policy(world.buckets[name], {"version": 3, "bindings": bindings})
    return world
