"""The saved results that a report covers: all of them, or those given as operands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from raydock.errors import UsageError

from ..results import history
from ..results.history import JobRecord, UnreadableRecord


@dataclass(frozen=True, slots=True)
class Selection:
    """Records, oldest first, and the reasons why others could not be read."""

    records: Sequence[JobRecord]
    unreadable: Sequence[UnreadableRecord] = ()


def select(operands: Sequence[str]) -> Selection:
    """The records for these ids, id prefixes or files; without operands, all saved records that can be read.

    The start of several ids, such as a script's name, selects all of them. Raises UsageError if there are no records,
    or if an operand does not match a readable one.
    """
    if operands:
        return Selection(by_start([history.read(path) for word in operands for path in paths_of(word)]))
    records, unreadable = history.read_all()
    if unreadable and not records:
        raise unreadable[0]
    if not records:
        raise UsageError(
            "No results yet: each successful job saves one.",
            "python submit.py jobs/sklearn_joblib.py",
        )
    return Selection(by_start(records), unreadable)


def by_start(records: Sequence[JobRecord]) -> list[JobRecord]:
    """The records, oldest first, each job once."""
    return history.oldest_first({record.submission_id: record for record in records}.values())


def paths_of(word: str) -> list[Path]:
    """The files for an operand: a path, a submission id, or the start of some ids. Raises UsageError."""
    if os.path.isfile(word):
        return [Path(word)]
    if exact := history.find(word):
        return [exact]
    paths = [path for path in history.all_paths() if unquote(path.stem).startswith(word)]
    if not paths:
        raise UsageError(
            f"No saved result has an id that starts with {word!r}; a job saves a result if it succeeds and prints a "
            "RESULT.",
            "python submit.py list",
        )
    return paths
