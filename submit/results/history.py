"""What succeeded jobs brought back, a file each, so that `report` can put them side by side later."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from raydock import state
from raydock.answers import moment
from raydock.errors import RaydockError, UsageError
from raydock.printable import json_printable

VERSION = 1


class NotRecorded(RaydockError):
    """The result could not be kept; the job has succeeded all the same."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One run of a job. Times are in seconds since the epoch.

    `cores` are those of this machine where the cluster runs on it, else 0: nodes that share a machine share
    its cores, whatever CPUs they promise.
    """

    submission_id: str
    target: str
    entrypoint: str
    started: float
    ended: float
    cores: int
    result: Mapping[str, Any]


def folder() -> Path:
    """Where records are kept: in the lab's state, which `make clean` removes and `make cluster-down` does not."""
    return state.folder() / "results"


def save(record: JobRecord) -> None:
    """Keeps a record, in place of an older one of the same job. Raises NotRecorded."""
    path = record_path(record.submission_id)
    try:
        state.write_private(path, text_of(record) + "\n")
    except OSError as fault:
        raise NotRecorded(
            f"The result could not be kept in {path.parent} for `report`: {fault.strerror}.",
            "it stands in the job's log above; --result PATH writes it elsewhere",
        ) from None
    except RecursionError:
        raise NotRecorded(
            "The result was not kept for `report`: it is nested too deeply.", "print a flatter RESULT"
        ) from None


def text_of(record: JobRecord) -> str:
    """A record as JSON. Raises RecursionError."""
    told = {field.name: getattr(record, field.name) for field in fields(record)}
    return json_printable(json.dumps({"version": VERSION, **told}, ensure_ascii=False, allow_nan=False))


def record_path(submission_id: str) -> Path:
    """The file of a job, in the folder whatever the id: another client may have chosen one with a slash."""
    return folder() / f"{quote(submission_id, safe='')}.json"


def load(operands: Sequence[str]) -> list[JobRecord]:
    """The records of those submission ids or files, else all that are kept; the oldest first.

    Raises UsageError.
    """
    paths = [path_of(word) for word in operands] or all_kept()
    if not paths:
        raise UsageError(
            "There are no results yet: the first job that succeeds leaves one.",
            "python submit.py jobs/sklearn_joblib.py -- --compare",
        )
    return sorted((read(path) for path in paths), key=lambda record: record.started)


def kept(target: str) -> list[JobRecord]:
    """The records of a target that can be read, the oldest first."""
    found = []
    for path in all_kept():
        try:
            found.append(read(path))
        except UsageError:
            continue  # `report` names it
    return sorted(
        (record for record in found if record.target == target),
        key=lambda one: (one.started, one.submission_id),
    )


def all_kept() -> list[Path]:
    """The files of all records; none where their folder can't be read."""
    try:
        return sorted(folder().glob("*.json"))
    except OSError:
        return []


def of(submission_id: str) -> Path | None:
    """The file of that job's record; None where there is none."""
    path = record_path(submission_id)
    return path if os.path.isfile(path) else None


def path_of(word: str) -> Path:
    """A file, or the record of a submission id."""
    path = Path(word)
    if path.suffix == ".json" or os.path.exists(path):  # Path.exists fails of a name that is too long
        return path
    return record_path(word)


def read(path: Path) -> JobRecord:
    """A record from its file. Raises UsageError."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if (
            not isinstance(told, dict)
            or told.pop("version") != VERSION
            or not isinstance(told["result"], dict)
        ):
            raise ValueError("another form")
        record = JobRecord(**told)
        if not well_formed(record):
            raise ValueError("another form")
        return record
    except FileNotFoundError:
        raise UsageError(
            f"There is no result of {path.stem} in {path.parent}.",
            "`python submit.py report` takes all that are there; "
            "`python submit.py attach ID` fetches that of a job that the cluster still knows",
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as fault:
        raise UsageError(
            f"{path} holds no result of a job: {fault}.", f"remove it: rm {shlex.quote(str(path))}"
        ) from None


def well_formed(record: JobRecord) -> bool:
    """Whether its parts are of their types: the file may be anyone's."""
    texts = (record.submission_id, record.target, record.entrypoint)
    times = (record.started, record.ended)
    return (
        all(isinstance(one, str) for one in texts)
        and all(moment(one) == one for one in times)
        and isinstance(record.cores, int)
        and record.cores >= 0
    )
