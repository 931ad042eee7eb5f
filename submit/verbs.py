"""The verbs beside running a job: attach, logs, stop, list, report."""

from __future__ import annotations

import time

from . import records
from .dashboard import Dashboard
from .errors import UsageError
from .follow import Follower
from .follow import stop as stop_job
from .job import Job
from .log import Log
from .options import Options
from .run import follow, open_dashboard
from .stage import Stage
from .voice import Voice


async def attach(options: Options, voice: Voice, stage: Stage) -> Job:
    """Follows a job from the beginning of its log to its end."""
    async with open_dashboard(options, voice) as dashboard:
        job = await known(dashboard, options.operand)
        return await follow(dashboard, job.submission_id, options, voice, stage)


async def logs(options: Options, voice: Voice) -> None:
    """Prints the log so far."""
    async with open_dashboard(options, voice) as dashboard:
        job = await known(dashboard, options.operand)
        follower = Follower(dashboard, job.submission_id, Log(voice.write), voice.say)
        follower.job = job
        await follower.read()


async def stop(options: Options, voice: Voice) -> None:
    """Stops a job and waits until it has."""
    async with open_dashboard(options, voice) as dashboard:
        job = await known(dashboard, options.operand)
        if job.terminal:
            voice.say(f"{job.submission_id} has ended already: {job.status}")
            return
        job = await stop_job(dashboard, job.submission_id)
        voice.say(f"{job.submission_id} is {job.status}")


async def list_jobs(options: Options, voice: Voice) -> None:
    """The cluster's jobs, the newest last."""
    async with open_dashboard(options, voice) as dashboard:
        jobs = await dashboard.jobs()
    if not jobs:
        voice.say("the cluster has had no jobs yet; send one with: python submit.py jobs/sklearn_joblib.py")
        return
    left = max(len(job.submission_id) for job in jobs)
    voice.print(f"{'ID':<{left}}  {'STATUS':<9}  {'STARTED':<15}  SECONDS")
    for job in jobs:
        started = time.strftime("%b %d %H:%M:%S", time.localtime(job.started)) if job.started else "-"
        lasted = f"{(job.ended or time.time()) - job.started:.1f}" if job.started else "-"
        voice.print(f"{job.submission_id:<{left}}  {job.status:<9}  {started:<15}  {lasted}")


async def report(options: Options, voice: Voice) -> None:
    """Writes the page of the recorded results, and its tables beside it. Raises UsageError."""
    from .report import page

    assert options.output
    found = records.load(options.operands)
    written = {options.output: page.html(found), options.output.with_suffix(".md"): page.text(found)}
    for path, content in written.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as fault:
            raise UsageError(
                f"The report can't be written to {path}: {fault.strerror}.", "give --output another path"
            ) from None
    voice.say(f"{len(found)} results, put side by side:")
    for path in written:
        voice.print(str(path))


async def known(dashboard: Dashboard, submission_id: str) -> Job:
    """The job of that id. Raises UsageError where the cluster has none."""
    job = await dashboard.job(submission_id)
    if job is None or not job.submission_id:
        raise UsageError(
            f"The cluster at {dashboard.url} knows no job {submission_id}.",
            f"python submit.py {dashboard.target.flags}list",
        )
    return job
