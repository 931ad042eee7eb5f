"""Loads the lab's state: from iam/lab.yaml, or as it was last saved."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.lab_state import LabState, PolicyHolder, legacy_bindings
from iam.errors import IamError
from iam.lab import file as lab
from iam.lab.members import job_principal


def load(file: Path, state: Path | None, service_account: str = "") -> LabState:
    """The state saved in the folder `state`, or the one lab.yaml defines if that file has changed since.

    `service_account` overrides the identity of jobs. Raises IamError, which says where in the file the error is.
    """
    text = lab.content(file)  # read once, so the digest matches what is parsed
    source = hashlib.sha256(text).hexdigest()
    saved = state / "world.json" if state else None
    fresh = initial_state(lab.loads(text, file.name))
    lab_state = restore(saved, source) or fresh
    lab_state.source, lab_state.file = source, saved
    lab_state.job = job_principal(service_account, lab_state.accounts) or fresh.job
    lab_state.save()
    return lab_state


def restore(file: Path | None, source: str) -> LabState | None:
    """The saved state; None if there is none or lab.yaml has changed since."""
    if file is None or not file.exists():
        return None
    saved = json.loads(file.read_text())
    if saved["source"] != source:
        return None
    holders: dict[str, Any] = {
        kind: {name: PolicyHolder(**fields) for name, fields in saved.pop(kind).items()}
        for kind in ("projects", "buckets", "accounts")
    }
    return LabState(**saved, **holders)


@dataclass(slots=True)
class StateFile:
    """The state that another process saves to a file, read again whenever the file changes."""

    file: Path
    stamp: tuple[int, int] = (0, 0)
    read: LabState | None = None

    def current(self) -> LabState:
        """The current state. Raises IamError if there is none, because the lab's cloud has not started yet."""
        try:
            about = self.file.stat()
            if self.read is None or self.stamp != (about.st_mtime_ns, about.st_ino):
                self.read = restore(self.file, json.loads(self.file.read_text())["source"])
                self.stamp = (about.st_mtime_ns, about.st_ino)
        except FileNotFoundError:
            self.read = None
        if self.read is None:
            raise IamError(f"{self.file} does not exist: the lab's cloud has not started.", "Start it first")
        return self.read


def initial_state(found: lab.LabFile) -> LabState:
    """The state that lab.yaml defines."""
    lab_state = LabState(
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
        lab_state.set_policy(lab_state.projects[project], policy)
    for name, bucket in found.buckets.items():
        lab_state.add_bucket(name, bucket.project)
        lab_state.objects[name] = bucket.objects
        bindings = [*legacy_bindings(bucket.project), *bucket.bindings]
        lab_state.set_policy(lab_state.buckets[name], {"version": 3, "bindings": bindings})
    return lab_state
