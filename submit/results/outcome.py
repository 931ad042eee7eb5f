"""Process a finished job's result: show, write and save it. Nothing here changes the job's outcome."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from raydock import crash
from raydock.errors import RaydockError
from raydock.rayapi.job import Job

from ..follow.lines import MAX_RESULT_BYTES
from ..follow.log import Log
from ..options import Options
from ..output import Console
from . import history, result, summary
from .fields import Workers, fields_of


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished job, its log, and where it ran. `link` is its dashboard page, or empty if it should not be shown."""

    job: Job
    log: Log
    target: str
    workers: Workers
    link: str = ""


def deliver(ended: Ended, options: Options, console: Console) -> None:
    """Show the result; if the job succeeded, also write and save it. Raises ResultNotWritten."""
    log = ended.log
    value = result.parse(log.result) if log.result else None
    reason = "" if value is not None else why_unusable(log)
    if value is not None:
        attempt(console, lambda: show(ended, console))
    elif reason:
        console.say(f"submit: the job's RESULT line is unusable: {reason}.")
    if ended.link:
        console.say(f"watch {ended.link}")
    if ended.job.status != "SUCCEEDED":
        return
    if value is not None:
        attempt(console, lambda: save(ended, value, console))
    if options.result:
        write(options, value, reason)


def show(ended: Ended, console: Console) -> None:
    """Show the summary of a result."""
    value = result.parse(ended.log.result, str) or {}
    fields = fields_of(value, ended.job.entrypoint, ended.workers)
    console.result(summary.lines(fields, ended.workers, console.width))


def why_unusable(log: Log) -> str:
    """Why there is a RESULT line but no result; empty if there is no such line."""
    if log.too_long:
        return f"it is longer than {MAX_RESULT_BYTES // 2**20} MiB"
    return result.why_invalid(log.result) if log.result else ""


def write(options: Options, value: Mapping[str, Any] | None, reason: str) -> None:
    """Write the file for `--result`. Raises ResultNotWritten."""
    assert options.result
    if value is None:
        cause = (
            f"The job's RESULT line is unusable ({reason})" if reason else "The job printed no RESULT line"
        )
        raise result.ResultNotWritten(
            f"{cause}, so nothing was written to {options.result}.",
            'add this to the end of the job: print("RESULT " + json.dumps(result))',
        )
    result.write(options.result, value)


def save(ended: Ended, value: Mapping[str, Any], console: Console) -> None:
    """Save the result for `report`. A failure is only reported, because the job itself succeeded."""
    job, workers = ended.job, ended.workers
    record = history.JobRecord(
        submission_id=job.submission_id,
        target=ended.target,
        entrypoint=job.entrypoint,
        started=job.started,
        ended=job.ended,
        cores=workers.cores,
        result=value,
        cpus=workers.cpus,
        pools={pool.name: pool.nodes for pool in workers.pools},
    )
    try:
        history.save(record)
    except RaydockError as fault:
        console.fault(fault)
    else:
        console.say(f"Next: python submit.py report {shlex.quote(job.submission_id)}")


def attempt(console: Console, step: Callable[[], None]) -> None:
    """Run one step. Report an internal error and continue; a RaydockError propagates."""
    try:
        step()
    except RaydockError:
        raise
    except Exception as fault:
        console.say(crash.sentence("submit", fault))
