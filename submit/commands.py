"""The verbs beside running a job: attach, logs, stop, list, report."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Sequence

from raydock.errors import UsageError
from raydock.printable import printable
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job

from .follow.follower import Follower
from .follow.follower import stop as stop_job
from .follow.log import Log
from .options import Options
from .output import Console
from .progress import Progress
from .results import history
from .run import follow, open_dashboard


async def attach(options: Options, console: Console, stage: Progress) -> Job:
    """Follows a job from the beginning of its log to its end."""
    async with open_dashboard(options, console) as dashboard:
        job = await known(dashboard, options.operand)
        return await follow(dashboard, job.submission_id, options, console, stage)


async def logs(options: Options, console: Console) -> None:
    """Prints the log so far."""
    async with open_dashboard(options, console) as dashboard:
        job = await known(dashboard, options.operand)
        follower = Follower(dashboard, job.submission_id, Log(console.write), console.say)
        follower.job = job
        await follower.read()


async def stop(options: Options, console: Console) -> None:
    """Stops a job and waits until it has."""
    async with open_dashboard(options, console) as dashboard:
        job = await known(dashboard, options.operand)
        if job.terminal:
            console.say(f"{job.submission_id} has ended already: {job.status}")
            return
        job = await stop_job(dashboard, job.submission_id)
        console.say(f"{job.submission_id} is {job.status}")


async def list_jobs(options: Options, console: Console) -> None:
    """The cluster's jobs, the newest last, and before them those whose results are kept and that it has forgotten."""
    async with open_dashboard(options, console) as dashboard:
        jobs = await dashboard.jobs()
        target = dashboard.target.name
    known = {job.submission_id for job in jobs}
    forgotten = [record for record in history.kept(target) if record.submission_id not in known]
    lines = [*map(row_of_record, forgotten), *map(row, jobs)]
    left = max((len(line[0]) for line in lines), default=0)
    for line in [("ID", "STATUS", "STARTED", "SECONDS"), *lines] if lines else []:
        console.print(f"{line[0]:<{left}}  {line[1]:<9}  {line[2]:<15}  {line[3]}".rstrip())
    if forgotten:
        console.say(f"{told_of(forgotten, target)}; their results are kept: python submit.py report")
    if not jobs:
        console.say("the cluster knows no jobs; send one with: python submit.py jobs/sklearn_joblib.py")


def row(job: Job) -> tuple[str, str, str, str]:
    """A line of the list."""
    lasted = f"{(job.ended or time.time()) - job.started:.1f}" if job.started else "-"
    return one_word(job.submission_id), one_word(job.status), moment(job.started), lasted


def row_of_record(record: history.JobRecord) -> tuple[str, str, str, str]:
    """The same for a job of which only the result is left: only those that succeeded leave one."""
    lasted = f"{record.ended - record.started:.1f}" if record.started and record.ended else "-"
    return (
        one_word(record.submission_id),
        "SUCCEEDED",
        moment(record.started),
        f"{lasted:<8} (not on this cluster)",
    )


def one_word(text: str) -> str:
    """A column's text: with blanks in it, it is quoted, for it may be made to look like more columns."""
    return printable(text if re.fullmatch(r"\S+", text) else repr(text))


def moment(seconds: float) -> str:
    return time.strftime("%b %d %H:%M:%S", time.localtime(seconds)) if seconds else "-"


def told_of(forgotten: Sequence[history.JobRecord], target: str) -> str:
    """Why there are jobs that the cluster does not know. Other targets may be several clusters."""
    count = f"{len(forgotten)} {'job' if len(forgotten) == 1 else 'jobs'}"
    if target == "local":
        return f"the cluster has forgotten {count}, for it was started again since"
    return f"{count} ran on another cluster, or before this one was started again"


async def report(options: Options, console: Console) -> None:
    """Writes the page of the recorded results, and its tables beside it. Raises UsageError."""
    from .report import page

    assert options.output
    found = history.load(options.operands)
    written = {options.output: page.html(found), options.output.with_suffix(".md"): page.text(found)}
    for path, content in written.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as fault:
            raise UsageError(
                f"The report can't be written to {path}: {fault.strerror}.", "give --output another path"
            ) from None
    console.say(f"{len(found)} results, put side by side:")
    for path in written:
        console.print(str(path))


async def known(dashboard: Dashboard, submission_id: str) -> Job:
    """The job of that id. Raises UsageError where the cluster has none, or has forgotten it."""
    job = await dashboard.job(submission_id)
    if job is not None and job.submission_id:
        return job
    if path := history.of(submission_id):
        raise UsageError(
            f"The cluster at {dashboard.url} does not know the job {submission_id} any more: a cluster forgets its "
            f"jobs when it is started again. It had succeeded, and its result is kept in {path}.",
            f"python submit.py report {shlex.quote(submission_id)}",
        )
    raise UsageError(
        f"The cluster at {dashboard.url} knows no job {submission_id}.",
        f"python submit.py {dashboard.target.flags}list",
    )
