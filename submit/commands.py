"""All commands except running a job: attach, logs, stop, list, report."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Sequence

from raydock.errors import UsageError
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job
from raydock.terminal import layout
from raydock.terminal.printable import printable
from raydock.units import duration

from .follow.log import Log
from .follow.log_reader import LogReader
from .follow.polling import USUAL
from .follow.supervisor import stop as stop_job
from .options import Options
from .output import Console
from .progress import Progress
from .results import history
from .run import follow, open_dashboard


async def attach(options: Options, console: Console, progress: Progress) -> Job:
    """Follow a job from the start of its log until it finishes."""
    async with open_dashboard(options, console) as dashboard:
        job = await find_job(dashboard, options.operand)
        return await follow(dashboard, job.submission_id, options, console, progress)


async def logs(options: Options, console: Console) -> None:
    """Print everything that the job has logged so far."""
    async with open_dashboard(options, console) as dashboard:
        job = await find_job(dashboard, options.operand)
        reader = LogReader(dashboard, job.submission_id, Log(console.write), USUAL)
        reader.node = job.driver_node
        await reader.read()


async def stop(options: Options, console: Console) -> None:
    """Stop a job and wait until it has stopped."""
    async with open_dashboard(options, console) as dashboard:
        job = await find_job(dashboard, options.operand)
        if job.terminal:
            console.say(f"{job.submission_id} has already finished: {job.status}")
            return
        ended = await stop_job(dashboard, job.submission_id)
        early = job.status == "PENDING" and ended.status == "FAILED"
        note = ": it was stopped before it started, and Ray reports that as FAILED" if early else ""
        console.say(f"{ended.submission_id} is {ended.status}{note}")


async def list_jobs(options: Options, console: Console) -> None:
    """List the cluster's jobs, newest last, preceded by saved results of jobs that the cluster no longer has."""
    async with open_dashboard(options, console) as dashboard:
        jobs = await dashboard.jobs()
        target = dashboard.target.name
    known = {job.submission_id for job in jobs}
    forgotten = [record for record in history.for_target(target) if record.submission_id not in known]
    rows = [*map(row_of_record, forgotten), *map(row_of_job, jobs)]
    for line in layout.table([("ID", "STATUS", "STARTED", "TIME"), *rows]) if rows else []:
        console.print(line)
    if forgotten:
        console.say(
            f"{explain_forgotten(forgotten, target)}; their results are saved: python submit.py report"
        )
    if not jobs:
        console.say("the cluster has no jobs; submit one with: python submit.py jobs/sklearn_joblib.py")


def row_of_job(job: Job) -> tuple[str, str, str, str]:
    """A job's table row: id, status, start, duration so far."""
    took = duration((job.ended or time.time()) - job.started) if job.started else "-"
    return one_word(job.submission_id), one_word(job.status), format_time(job.started), took


def row_of_record(record: history.JobRecord) -> tuple[str, str, str, str]:
    """A saved result's table row. Its job succeeded: only successful jobs leave a result."""
    took = duration(record.ended - record.started) if record.started and record.ended else "-"
    return (
        one_word(record.submission_id),
        "SUCCEEDED",
        format_time(record.started),
        f"{took:<12} (not on this cluster)",
    )


def one_word(text: str) -> str:
    """The text for one column, quoted if it contains whitespace so that it can't imitate extra columns."""
    return printable(text if re.fullmatch(r"\S+", text) else repr(text))


def format_time(seconds: float) -> str:
    """A local time from seconds since the epoch; `-` for 0."""
    return time.strftime("%b %d %H:%M:%S", time.localtime(seconds)) if seconds else "-"


def explain_forgotten(forgotten: Sequence[history.JobRecord], target: str) -> str:
    """Explain why some jobs are not on this cluster. A target other than `local` may stand for several clusters."""
    count = f"{len(forgotten)} {'job' if len(forgotten) == 1 else 'jobs'}"
    if target == "local":
        return f"the cluster was restarted and no longer has {count}"
    return f"{count} ran on another cluster, or before this one was restarted"


async def report(options: Options, console: Console) -> None:
    """Write one job's page, or a report on all saved results or on the given ones. Raises UsageError."""
    from .report import files

    written = files.write(options.operands, options.output)
    for fault in written.faults:
        console.fault(fault)
    console.say(written.note)
    for path in written.paths:
        console.print(str(path))


async def find_job(dashboard: Dashboard, submission_id: str) -> Job:
    """The job with this id. Raises UsageError if the cluster has no such job, or no longer has it."""
    job = await dashboard.job(submission_id)
    if job is not None and job.submission_id:
        return job
    if path := history.find(submission_id):
        raise UsageError(
            f"The cluster at {dashboard.url} no longer has job {submission_id}: a cluster forgets its jobs when it "
            f"restarts. The job succeeded, and its result is saved in {path}.",
            f"python submit.py report {shlex.quote(submission_id)}",
        )
    raise UsageError(
        f"The cluster at {dashboard.url} has no job {submission_id}.",
        f"python submit.py {dashboard.target.flags}list",
    )
