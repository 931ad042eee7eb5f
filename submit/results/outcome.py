"""Process a finished job's result: show, write and save it. Nothing here changes the job's outcome."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from raydock import crash
from raydock.errors import RaydockError
from raydock.rayapi.job import Job

from ..follow.lines import MAX_RESULT_BYTES
from ..follow.log import Log
from ..options import Options
from ..output import Console
from . import history, result, summary
from .fields import Workers, fields_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished job, its log, and where it ran. `link` is its dashboard page, or empty if it should not be shown."""

    job: Job
    log: Log
    target: str
    workers: Workers
    link: str = ""


def deliver(ended: Ended, options: Options, console: Console) -> str:
    """Show the result, and save it if the job succeeded. Returns what to say last: the command that comes next."""
    value, reason = parsed(ended.log)
    if value is not None:
        attempt(console, lambda: show(ended, console))
    elif reason:
        console.say(f"submit: the job's RESULT line is unusable: {reason}.")
    if ended.link:
        console.say(f"watch {ended.link}")
    if ended.job.status != "SUCCEEDED" or value is None:
        return ""
    return attempt(console, lambda: save(ended, value, console)) or ""


def parsed(log: Log) -> tuple[Mapping[str, Any] | None, str]:
    """The result, or why there is a RESULT line but no result."""
    value = result.parse(log.result) if log.result else None
    return value, "" if value is not None else why_unusable(log)


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


def write(ended: Ended, options: Options) -> None:
    """Write the file for `--result` if the job succeeded. Raises ResultNotWritten."""
    if not options.result or ended.job.status != "SUCCEEDED":
        return
    value, reason = parsed(ended.log)
    if value is None:
        cause = (
            f"The job's RESULT line is unusable ({reason})" if reason else "The job printed no RESULT line"
        )
        raise result.ResultNotWritten(
            f"{cause}, so nothing was written to {options.result}.",
            'add this to the end of the job: print("RESULT " + json.dumps(result))',
        )
    result.write(options.result, value)


def save(ended: Ended, value: Mapping[str, Any], console: Console) -> str:
    """Save the result for `report`; returns its command. A failure is only reported: the job itself succeeded."""
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
        return ""
    return f"Next: python submit.py report {shlex.quote(job.submission_id)}"


def attempt(console: Console, step: Callable[[], T]) -> T | None:
    """Run one step. Report an internal error and continue; a RaydockError propagates."""
    try:
        return step()
    except RaydockError:
        raise
    except Exception as fault:
        console.say(crash.sentence("submit", fault))
        return None
