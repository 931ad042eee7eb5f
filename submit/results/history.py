"""Saved results of successful jobs, one file each, so that `report` can compare them later."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from raydock import state
from raydock.answers import moment
from raydock.errors import RaydockError, UsageError
from raydock.terminal.printable import json_printable

from .fields import PoolUse, Workers

VERSION = 1


class NotRecorded(RaydockError):
    """The result could not be saved; the job succeeded nevertheless."""


class UnreadableRecord(UsageError):
    """The file at `path` is not a record that this version can read."""

    def __init__(self, path: Path, message: str, fix: str) -> None:
        super().__init__(message, fix)
        self.path = path


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One run of a job. Times are in seconds since the epoch.

    `cores` is the number of cores of this machine if the cluster runs on it, otherwise 0: nodes on one machine share
    its cores, however many CPUs they advertise. `cpus` and `pools` describe the cluster's workers when the job
    finished: their CPUs, and the number of nodes by pool.
    """

    submission_id: str
    target: str
    entrypoint: str
    started: float
    ended: float
    cores: int
    result: Mapping[str, Any]
    cpus: int = 0
    pools: Mapping[str, int] = field(default_factory=dict)

    @property
    def workers(self) -> Workers:
        """The cluster that the job ran on."""
        return Workers(
            self.cpus, tuple(PoolUse(name, nodes) for name, nodes in self.pools.items()), self.cores
        )


def folder() -> Path:
    """The folder for the records, inside the state folder. `make clean` removes it; `make cluster-down` does not."""
    return state.folder() / "results"


def save(record: JobRecord) -> None:
    """Save a record, replacing any earlier one for the same job. Raises NotRecorded."""
    path = record_path(record.submission_id)
    try:
        state.write_private(path, to_json(record) + "\n")
    except OSError as fault:
        raise NotRecorded(
            f"The result could not be saved in {path.parent} for `report`: {fault.strerror}.",
            "the result is in the job's log above; --result PATH writes it elsewhere",
        ) from None
    except RecursionError:
        raise NotRecorded(
            "The result was not saved for `report`: it is nested too deeply.", "print a flatter RESULT"
        ) from None


def to_json(record: JobRecord) -> str:
    """A record as JSON. Raises RecursionError."""
    data = {field.name: getattr(record, field.name) for field in fields(record)}
    return json_printable(json.dumps({"version": VERSION, **data}, ensure_ascii=False, allow_nan=False))


def record_path(submission_id: str) -> Path:
    """A job's record file. It is always directly in the folder, even if another client chose an id with slashes."""
    return folder() / f"{quote(submission_id, safe='')}.json"


def for_target(target: str) -> list[JobRecord]:
    """The readable records for a target, oldest first."""
    return oldest_first(record for record in read_all()[0] if record.target == target)


def oldest_first(records: Iterable[JobRecord]) -> list[JobRecord]:
    """The records, sorted by when their jobs started."""
    return sorted(records, key=lambda record: (record.started, record.submission_id))


def read_all() -> tuple[list[JobRecord], list[UnreadableRecord]]:
    """All saved records, and an error for each that can't be read."""
    records, faults = [], []
    for path in all_paths():
        try:
            records.append(read(path))
        except UnreadableRecord as fault:
            faults.append(fault)
    return records, faults


def all_paths() -> list[Path]:
    """The files of all records; none if the folder can't be read."""
    try:
        return sorted(folder().glob("*.json"))
    except OSError:
        return []


def find(submission_id: str) -> Path | None:
    """A job's record file, if there is one."""
    path = record_path(submission_id)
    return path if os.path.isfile(path) else None


def read(path: Path) -> JobRecord:
    """Read a record. Raises UnreadableRecord."""
    remove = f"rm {shlex.quote(str(path))}"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("unexpected format")
        version = data.pop("version")
        if is_count(version) and version > VERSION:
            raise UnreadableRecord(
                path,
                f"{path} was saved by a newer version of raydock.",
                f"update this checkout with git pull, or remove the file: {remove}",
            )
        if version != VERSION or not isinstance(data["result"], dict):
            raise ValueError("unexpected format")
        record = JobRecord(**data)
        if not is_valid(record):
            raise ValueError("unexpected format")
        return record
    except FileNotFoundError:
        raise UnreadableRecord(
            path,
            f"No result for {path.stem} in {path.parent}.",
            "`python submit.py report` uses all saved results; "
            "`python submit.py attach ID` fetches the result of a job that the cluster still has",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        raise UnreadableRecord(
            path, f"{path} is not a saved result: {fault}.", f"remove it: {remove}"
        ) from None


def is_valid(record: JobRecord) -> bool:
    """Whether the fields have the right types: the file may come from anywhere."""
    texts = (record.submission_id, record.target, record.entrypoint)
    times = (record.started, record.ended)
    return (
        all(isinstance(text, str) for text in texts)
        and all(moment(time) == time for time in times)
        and all(is_count(number) for number in (record.cores, record.cpus))
        and isinstance(record.pools, dict)
        and all(map(is_count, record.pools.values()))
    )


def is_count(value: object) -> bool:
    """Whether it is an integer of at least 0."""
    return isinstance(value, int) and value >= 0
