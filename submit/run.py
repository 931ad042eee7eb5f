"""The pipeline: prepare → preflight → package → submit → follow → result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from raydock.errors import ServerError
from raydock.gcp.clouds import LabCloud
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job

from . import package, submission
from .errors import PreflightError
from .findings import NOTES, Finding, Outcome, denied
from .follow import ray_crash
from .follow.denial import last_denial
from .follow.follower import Follower, Messages
from .follow.log import Log
from .follow.log_display import LogDisplay
from .follow.log_file import LogFile
from .options import Options
from .output import Console
from .preflight import preflight
from .prepare import Prepared, prepare
from .progress import Progress
from .results import outcome, result
from .results.fields import Workers
from .results.workers import read_workers
from .targets import open_target

IAM_TARGETS = {"vertex": " --target vertex", "kuberay": " --target google"}  # options of `python -m iam`


async def run(options: Options, console: Console, progress: Progress) -> Job | None:
    """Check, send and follow one job. Returns None if it was not followed until it finished."""
    if options.result:
        result.check_writable(options.result)

    async def pipeline(dashboard: Dashboard) -> Job | None:
        return await run_on(dashboard, options, console, progress)

    if options.ephemeral:
        from . import ephemeral

        return await ephemeral.run(options, console, progress, pipeline)
    async with open_dashboard(options, console) as dashboard:
        return await pipeline(dashboard)


async def run_on(dashboard: Dashboard, options: Options, console: Console, progress: Progress) -> Job | None:
    """Run the job on a cluster that is ready."""
    prepared = await prepare(options, dashboard.target, dashboard)
    if options.dry_run:
        show_plan(prepared, console)
        return None
    settle(await findings(prepared), prepared, options, console)
    await send(dashboard, prepared, options, console, progress)
    if not options.wait:
        console.print(prepared.plan.submission_id)
        console.say(f"follow it with: {progress.attach}")
        return None
    return await follow(dashboard, prepared.plan.submission_id, options, console, progress)


async def check(options: Options, console: Console) -> None:
    """Run only the checks. Raises PreflightError, or any other error that would prevent the submission."""
    async with open_dashboard(options, console) as dashboard:
        prepared = await prepare(options, dashboard.target, dashboard)
        settle(await findings(prepared), prepared, options, console)


def open_dashboard(options: Options, console: Console) -> Dashboard:
    """The dashboard of the target that the command line selects."""
    return Dashboard(open_target(options.target, options.address, options.target_options), tell=console.say)


def show_plan(prepared: Prepared, console: Console) -> None:
    """Print what would be sent, for `--dry-run`."""
    if prepared.trouble:
        console.say(
            f"{prepared.trouble.message} The plan assumes that the cluster has none of the dependencies."
        )
    console.print_json(prepared.plan.as_json())


async def findings(prepared: Prepared) -> list[Finding]:
    """Run all checks. The package is built here only if its compressed size may exceed the cap."""
    found = await asyncio.to_thread(preflight, prepared.plan, prepared.cluster)
    found += prepared.storage.findings
    if prepared.plan.contents.unpacked_bytes > package.CAP:
        try:
            await asyncio.to_thread(prepared.pack)
        except package.PermanentError as fault:
            found.append(denied("package", fault.message, fault.fix))
    return found


def settle(found: Sequence[Finding], prepared: Prepared, options: Options, console: Console) -> None:
    """Print the findings. Raises PreflightError if one is not OK, unless `--skip-check` covers it."""
    console.findings(found)
    if prepared.trouble:
        raise prepared.trouble
    checks = [finding for finding in found if finding.check not in NOTES]
    bad = [one for one in checks if one.verdict is not Outcome.OK and one.check not in options.skip_check]
    if bad:
        raise PreflightError(
            f"{len(bad)} of {len(checks)} checks did not pass; nothing was sent.",
            f"fix the failed checks, or submit anyway:\n{options.skipping(one.check for one in bad)}",
        )


async def send(
    dashboard: Dashboard, prepared: Prepared, options: Options, console: Console, progress: Progress
) -> None:
    """Upload the package if the cluster lacks it, and submit the job. Raises ServerError, Unreachable."""
    plan = prepared.plan
    progress.attach = f"python submit.py {dashboard.target.flags}attach {plan.submission_id}"
    try:
        sent = await submission.upload(dashboard, plan, prepared.pack)
        await submission.submit_when_there_is_room(dashboard, plan, progress, options.deadline, console.say)
    except ServerError as fault:
        raise await submission.explained(fault, dashboard) from None
    progress.sent = True
    if progress.accepted:
        await asyncio.to_thread(progress.accepted, plan.submission_id)
    shared = "the cluster already has the package; runs with the same files share its folder"
    uploaded = f"{sent:,} bytes uploaded" if sent else shared
    installs = f", installs {', '.join(plan.installs)}" if plan.installs else ""
    console.say(f"sent {plan.submission_id} ({uploaded}{installs})")
    page_needs = dashboard.endpoint.connection.page_needs
    note = f" (while this runs: {page_needs})" if page_needs else ""
    console.say(f"watch {job_link(dashboard, plan.submission_id)}{note}")


async def follow(
    dashboard: Dashboard, submission_id: str, options: Options, console: Console, progress: Progress
) -> Job:
    """Follow the job until it finishes; print its log, final status and result. Raises Lost, ResultNotWritten."""
    screen = LogDisplay(console.write, dashboard.url)
    keeper = LogFile(submission_id, screen.take if console.interactive else console.write)
    transient = dashboard.endpoint.connection.transient
    log = Log(keeper.take if transient else keeper.show)
    messages = Messages(console.say, console.progress if console.status_line.enabled else None)
    follower = Follower(dashboard, submission_id, log, messages)
    try:
        job = await follower.run(options.deadline)
        screen.end()
    finally:
        keeper.close()
        progress.job = follower.job if follower.job.terminal else None
        progress.stopping = follower.stopping
    workers = await read_workers(dashboard) if log.result else Workers()
    console.verdict(job)
    if transient:
        console.say(keeper.note)
    link = job_link(dashboard, submission_id) if console.interactive else ""
    finished, following = outcome.Ended(job, log, dashboard.target.name, workers, link), ""
    progress.delivered, progress.kept = True, keeper.note if transient else ""
    try:
        following = outcome.deliver(finished, options, console)
        outcome.write(finished, options)
    finally:  # after the result, which must not wait for the lab's record
        await show_access(dashboard, job, log, console)
        if following:
            console.say(following)
    return job


async def show_access(dashboard: Dashboard, job: Job, log: Log, console: Console) -> None:
    """Say what the job was denied, or whether its header declares what it used; or that Ray crashed."""
    if ray_crash.crashed_on_disconnect(log.last, job.driver_exit_code):
        console.cause(ray_crash.MESSAGE, ray_crash.FIX)
    if access := await access_line(dashboard, job):
        console.wrapped("", access)
    elif job.status == "FAILED" and (denial := last_denial(log.last)):
        console.cause(str(denial), denial.fix(IAM_TARGETS.get(dashboard.target.name, "")))


async def access_line(dashboard: Dashboard, job: Job) -> str:
    """What a job in the lab was denied, or whether its header declares what it used; "" for other jobs."""
    if dashboard.target.name != "local" or not isinstance(lab := dashboard.target.google(), LabCloud):
        return ""
    from .privilege.accuracy import header_line

    return await header_line(lab, job)


def job_link(dashboard: Dashboard, submission_id: str) -> str:
    """The job's page on the dashboard."""
    page = dashboard.endpoint.connection.page or dashboard.url
    return f"{page}/#/jobs/{submission_id}"
