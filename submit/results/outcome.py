"""What becomes of the result of a job that has ended: shown, written, kept. Nothing here changes its verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from raydock import crash
from raydock.errors import RaydockError
from raydock.rayapi.job import Job

from ..follow.lines import MAX_RESULT_BYTES
from ..follow.log import Log
from ..options import Options
from ..output import Console
from . import history, result


def deliver(log: Log, job: Job, target: str, options: Options, console: Console) -> None:
    """Shows the result; of a job that succeeded, writes and keeps it. Raises ResultNotWritten."""
    value = result.parse(log.result) if log.result else None
    why = "" if value is not None else unusable(log)
    if value is not None:
        attempt(console, lambda: console.result(result.parse(log.result, str) or {}))
    elif why:
        console.say(f"submit: the job's RESULT line can't be used: {why}.")
    if job.status != "SUCCEEDED":
        return
    if value is not None:
        attempt(console, lambda: record(job, target, value, console))
    if options.result:
        write(options, value, why)


def unusable(log: Log) -> str:
    """Why there is no result although there is a RESULT line; empty where there is none."""
    if log.too_long:
        return f"it is longer than {MAX_RESULT_BYTES // 2**20} MiB"
    return result.trouble(log.result) if log.result else ""


def write(options: Options, value: Mapping[str, Any] | None, why: str) -> None:
    """The file of `--result`. Raises ResultNotWritten."""
    assert options.result
    if value is None:
        missing = f"The job's RESULT line can't be used ({why})" if why else "The job printed no RESULT line"
        raise result.ResultNotWritten(
            f"{missing}, so nothing was written to {options.result}.",
            'end the job with print("RESULT " + json.dumps(result))',
        )
    result.write(options.result, value)


def record(job: Job, target: str, value: Mapping[str, Any], console: Console) -> None:
    """Keeps the result for `report`; where it can't be kept the job has succeeded all the same."""
    cores = (os.cpu_count() or 0) if target == "local" else 0
    try:
        history.save(
            history.JobRecord(job.submission_id, target, job.entrypoint, job.started, job.ended, cores, value)
        )
    except RaydockError as fault:
        console.fault(fault)


def attempt(console: Console, step: Callable[[], None]) -> None:
    """One step; what it fails of is told, and the next one follows."""
    try:
        step()
    except RaydockError:
        raise
    except Exception as fault:
        console.say(crash.sentence("submit", fault))
