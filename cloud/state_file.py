"""Loads the lab's state, either from iam/lab.yaml or as last saved."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.lab_state import LabState, PolicyHolder, legacy_bindings
from iam.errors import IamError, MalformedPolicy
from iam.lab import file as lab
from iam.lab.members import job_principal
from iam.lab.projects import LabBucket
from iam.policy.principal import is_service_agent

log = logging.getLogger("cloud")

# What every saved state has, and its empty values.
REQUIRED: dict[str, Any] = {
    "user": "", "job": "", "numbers": {}, "users": [], "groups": {}, "roles": {}, "deny": {},
}  # fmt: skip


def load(file: Path, state: Path | None, service_account: str = "") -> LabState:
    """The state saved in the `state` folder, or the one that lab.yaml defines if lab.yaml has since changed.

    In the latter case, accounts and buckets that were added to the running lab are kept. `service_account` overrides
    the jobs' identity. Raises IamError, whose message locates the error in the file.
    """
    text = lab.content(file)  # read once, so the digest matches what is parsed
    source = hashlib.sha256(text).hexdigest()
    saved = state / "world.json" if state else None
    fresh = initial_state(lab.loads(text, file.name))
    found = restore(saved)
    lab_state = found if found and found.source == source else with_additions(fresh, found)
    lab_state.source, lab_state.file = source, saved
    lab_state.job_is_set = bool(service_account)
    lab_state.job = job_of(lab_state, service_account, fresh.job)
    lab_state.save()
    return lab_state


def restore(file: Path | None) -> LabState | None:
    """The saved state; None if there is none.

    What another version saved is read as far as this one knows it. If anything is missing, `source` is "", so that
    lab.yaml is read again.
    """
    if file is None or not file.exists():
        return None
    saved = json.loads(file.read_text())
    source = saved.get("source", "") if REQUIRED.keys() <= saved.keys() else ""
    holders = {
        kind: {
            name: PolicyHolder(**known(PolicyHolder, fields)) for name, fields in saved.get(kind, {}).items()
        }
        for kind in ("projects", "buckets", "accounts")
    }
    return LabState(**{**REQUIRED, **known(LabState, saved), **holders, "source": source})


def known(kind: type[LabState | PolicyHolder], saved: dict[str, Any]) -> dict[str, Any]:
    """The saved values that a class has fields for."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in saved.items() if name in names}


def with_additions(fresh: LabState, old: LabState | None) -> LabState:
    """The state that a changed lab.yaml defines, with the accounts and buckets that were added to the running lab."""
    if old is None:
        return fresh
    fresh.deleted, fresh.chosen_job = old.deleted, old.chosen_job
    kept = [
        (theirs, name, holder)
        for theirs, ours in ((fresh.accounts, old.accounts), (fresh.buckets, old.buckets))
        for name, holder in ours.items()
        if holder.added and holder.project in fresh.projects and name not in theirs
    ]
    for theirs, name, holder in kept:
        theirs[name] = holder
    for theirs, name, holder in kept:  # once all members exist again
        keep_policy(fresh, theirs, name, holder)
    return fresh


def keep_policy(fresh: LabState, holders: dict[str, PolicyHolder], name: str, holder: PolicyHolder) -> None:
    """Reset a resource's policy to the default if it uses a role or member that lab.yaml no longer defines."""
    try:
        fresh.set_policy(holder, holder.policy)
    except MalformedPolicy as fault:
        bindings = legacy_bindings(holder.project) if holders is fresh.buckets else []
        fresh.set_policy(holder, {"version": 1, "bindings": bindings})
        log.warning("%s: policy reset to the default, because lab.yaml changed: %s", name, fault.message)


def job_of(lab_state: LabState, service_account: str, default: str) -> str:
    """The job principal: LAB_SERVICE_ACCOUNT, the one chosen in the running lab, or lab.yaml's.

    Raises IamError if LAB_SERVICE_ACCOUNT is not an account in the lab.
    """
    if fixed := job_principal(service_account, lab_state.accounts):
        return fixed
    chosen = lab_state.chosen_job.removeprefix("serviceAccount:")
    if chosen not in lab_state.accounts and not is_service_agent(chosen):
        lab_state.chosen_job = ""  # the account was removed
    return lab_state.chosen_job or default


@dataclass(slots=True)
class StateFile:
    """The state that another process saves to a file, reloaded whenever the file changes."""

    file: Path
    stamp: tuple[int, int] = (0, 0)
    read: LabState | None = None

    def current(self) -> LabState:
        """The current state. Raises IamError if there is none, because the lab's cloud has not started yet."""
        try:
            about = self.file.stat()
            if self.read is None or self.stamp != (about.st_mtime_ns, about.st_ino):
                self.read = restore(self.file)
                self.stamp = (about.st_mtime_ns, about.st_ino)
        except FileNotFoundError:
            self.read = None
        if self.read is None:
            raise IamError(f"{self.file} does not exist: the lab's cloud has not started.", "Start it first")
        return self.read


def initial_state(found: lab.LabFile) -> LabState:
    """The state that lab.yaml defines."""
    lab_state = LabState(
        user=found.user,
        job=found.job,
        numbers=found.numbers,
        users=found.users,
        groups=found.groups,
        roles={
            name: None if r.permissions is None else list(r.permissions) for name, r in found.roles.items()
        },
        deny=found.deny,
        projects={
            project: PolicyHolder(
                project,
                {"version": 1, "bindings": []},
                unknown=list(about.unknown),
                imported=about.imported,
                parent=about.parent,
            )
            for project, about in found.projects.items()
        },
        buckets={},
        accounts={
            account: PolicyHolder(about.project, {"version": 1, "bindings": []}, unknown=list(about.unknown))
            for account, about in found.accounts.items()
        },
        stages={name: role.stage for name, role in found.roles.items() if role.stage != "GA"},
    )
    for project, policy in found.policies.items():
        lab_state.set_policy(lab_state.projects[project], policy)
    for account, known in found.accounts.items():
        lab_state.set_policy(lab_state.accounts[account], known.policy)
    for name, bucket in found.buckets.items():
        add_bucket(lab_state, name, bucket)
    return lab_state


def add_bucket(lab_state: LabState, name: str, bucket: LabBucket) -> None:
    """Add a bucket that lab.yaml defines."""
    lab_state.add_bucket(name, bucket.project)
    lab_state.objects[name] = bucket.objects
    holder = lab_state.buckets[name]
    holder.unknown, holder.listed_only = list(bucket.unknown), bucket.listed_only
    holder.acls, holder.private = bucket.acls, bucket.private
    legacy = [] if bucket.policy is not None else legacy_bindings(bucket.project)
    bindings = [*legacy, *(bucket.document.get("bindings") or [])]
    lab_state.set_policy(holder, {"version": 3, "bindings": bindings})
