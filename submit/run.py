"""The pipeline: script → plan → preflight → package → submit → follow → result."""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from raydock.errors import RaydockError, ServerError, Unreachable, UsageError
from raydock.jobscript.dependencies import missing
from raydock.rayapi.cluster_info import ClusterInfo, disk_of, head_summary, read_cluster_info
from raydock.rayapi.connection import Target
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job

from . import package, submission
from .errors import PreflightError
from .findings import NOTES, Finding, Outcome, denied, unknown
from .follow.follower import Follower
from .follow.log import Log
from .follow.log_display import LogDisplay
from .options import Options
from .output import Console
from .plan import JobPlan, new_submission_id
from .preflight import full, preflight, room
from .progress import Progress
from .results import outcome, result
from .script import Script, read_script
from .targets import open_target

if TYPE_CHECKING:
    from .preflight import storage as identity

FULL = 429  # the answer of a cluster that runs as many jobs as it holds: cloud/gateway/job_limit.py
AGAIN = (1.0, 3.0)  # seconds until it is asked again


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan, and what was found out about it."""

    plan: JobPlan
    digest: str
    facts: ClusterInfo | None
    trouble: RaydockError | None  # why there are no facts
    storage: identity.StorageCheck


async def run(options: Options, console: Console, stage: Progress) -> Job | None:
    """Checks, sends and follows one job; None where it was not followed to its end."""
    if options.result:
        result.check_writable(options.result)
    async with open_dashboard(options, console) as dashboard:
        ready = await prepare(options, dashboard.target, dashboard)
        if options.dry_run:
            if ready.trouble:
                console.say(f"{ready.trouble.message} The plan assumes that it has none of the dependencies.")
            console.print_json(ready.plan.as_json())
            return None
        settle(await findings(ready), ready, options, console)
        await dispatch(dashboard, ready, console, stage, options.deadline)
        if not options.wait:
            console.print(ready.plan.submission_id)
            console.say(f"follow it with: {stage.attach}")
            return None
        return await follow(dashboard, ready.plan.submission_id, options, console, stage)


async def check(options: Options, console: Console) -> None:
    """The preflight alone. Raises what keeps the job from being sent."""
    async with open_dashboard(options, console) as dashboard:
        ready = await prepare(options, dashboard.target, dashboard)
        settle(await findings(ready), ready, options, console)


def open_dashboard(options: Options, console: Console) -> Dashboard:
    """The dashboard of the target that was asked for."""
    return Dashboard(open_target(options.target, options.address, options.target_options), tell=console.say)


async def prepare(options: Options, target: Target, dashboard: Dashboard) -> Ready:
    """The plan; the cluster is asked while the files are read."""
    script = read_script(Path(options.operand))
    header = script.header
    asked = asyncio.create_task(facts_or_trouble(dashboard))
    await asyncio.sleep(0)  # the first request goes out before anything else is done
    stored = asyncio.create_task(storage(script, options, target, dashboard))
    contents, name = contents_of(script, options.working_dir)
    digest = await asyncio.to_thread(package.digest, contents)
    (facts, trouble), answer = await asyncio.gather(asked, stored)
    install = missing(header.dependencies, facts.packages if facts else {}, facts.python if facts else "")
    plan = JobPlan(
        name=name,
        header=header,
        contents=contents,
        arguments=options.arguments,
        env=environment(header.env, options.env),
        reserve=options.reserve or header.entrypoint,
        installs=(f"--index-url {header.index}", *install) if install and header.index else install,
        sources=sources_of(script, options.working_dir, name),
        folder=real(script.path).parent,
        target=target.name,
        address=dashboard.url,
        submission_id=options.submission_id or new_submission_id(name),
        working_dir=package.package_uri(digest),
        runs_as=answer.principal,
        expects=target.expects,
    )
    return Ready(plan, digest, facts, trouble, answer)


async def storage(
    script: Script, options: Options, target: Target, dashboard: Dashboard
) -> identity.StorageCheck:
    """Who the job runs as, and whether it may touch what it reads and writes.

    What it imports takes 40 ms, so it is imported when the first request is on its way.
    """
    from iam.errors import IamError

    from . import probe
    from .preflight import storage as identity

    try:
        question = identity.question(
            script.header,
            options.arguments,
            target.google(),
            package.sources(script.path, options.working_dir),
            environment(script.header.env, options.env),
        )
    except IamError as fault:
        raise UsageError(fault.message, fault.fix) from None
    if not (options.probe and question.needs):
        return await identity.ask(question)
    try:
        probed = await probe.probe(dashboard, question.needs)
    except RaydockError as fault:
        return identity.StorageCheck("", (unknown("storage", fault.message, fault.fix),))
    return await identity.ask(question, probed)


def contents_of(script: Script, tree: Path | None) -> tuple[package.Contents, str]:
    """What travels, and the script's name in it."""
    if tree is None:
        return package.script_contents(script.path, script.header.files), script.path.name
    try:
        name = real(script.path).relative_to(real(tree)).as_posix()
    except ValueError:
        raise UsageError(
            f"{script.path} is not inside {tree}.", "give --working-dir a folder that holds it"
        ) from None
    contents = package.tree_contents(tree, script=name)
    if name not in {entry.name for entry in contents.entries}:
        why = next(
            (one.reason for one in contents.excluded if one.name == name), "its ignore files leave it out"
        )
        raise UsageError(f"{script.path} would not travel with {tree}: {why}.", "change the ignore file")
    return contents, name


def real(path: Path) -> Path:
    """The path without links, even where they lead in a circle, of which `Path.resolve` fails."""
    return Path(os.path.realpath(path))


def sources_of(script: Script, tree: Path | None, name: str) -> dict[str, bytes]:
    """The text of the script, by its name in the package, and of the modules that it imports."""
    found = package.sources(script.path, tree)
    first = next(iter(found), "")
    return {name if one == first else one: source for one, source in found.items()}


async def facts_or_trouble(dashboard: Dashboard) -> tuple[ClusterInfo | None, RaydockError | None]:
    """The cluster's facts, or why there are none."""
    try:
        return await read_cluster_info(dashboard), None
    except RaydockError as trouble:
        return None, trouble


def environment(declared: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str]:
    """The variables that travel: those that the header names and those of `--env`."""
    env = {name: os.environ[name] for name in declared if name in os.environ}
    for word in given:
        name, equals, value = word.partition("=")
        if not name or (not equals and name not in os.environ):
            raise UsageError(
                f"--env {word}: there is no such variable here.", f"--env {name or 'NAME'}=VALUE"
            )
        env[name] = value if equals else os.environ[name]
    return env


async def findings(ready: Ready) -> list[Finding]:
    """All findings; a package is packed here only where its size leaves it in doubt."""
    found = await asyncio.to_thread(preflight, ready.plan, ready.facts)
    found += ready.storage.findings
    if ready.plan.contents.unpacked_bytes > package.CAP:
        try:
            await asyncio.to_thread(pack, ready)
        except package.PermanentError as fault:
            found.append(denied("package", fault.message, fault.fix))
    return found


def pack(ready: Ready) -> bytes:
    """The package of the plan."""
    return package.pack(ready.plan.contents, ready.digest)


def settle(found: list[Finding], ready: Ready, options: Options, console: Console) -> None:
    """Shows the findings. Raises where one of them is not OK, unless --skip-check says to send anyway."""
    console.findings(found)
    if ready.trouble:
        raise ready.trouble
    checks = [finding for finding in found if finding.check not in NOTES]
    bad = [one for one in checks if one.verdict is not Outcome.OK and one.check not in options.skip_check]
    if bad:
        raise PreflightError(
            f"{len(bad)} of {len(checks)} checks did not pass; nothing was sent.",
            f"fix the failed checks, or submit anyway:\n{options.skipping(one.check for one in bad)}",
        )


async def dispatch(
    dashboard: Dashboard, ready: Ready, console: Console, stage: Progress, deadline: float | None
) -> None:
    """Uploads the package where it is missing and submits the job."""
    stage.attach = f"python submit.py {dashboard.target.flags}attach {ready.plan.submission_id}"
    try:
        sent = await submission.upload(dashboard, ready.plan, lambda: pack(ready))
        await send_when_there_is_room(dashboard, ready.plan, console, stage, deadline)
    except ServerError as fault:
        raise await explained(fault, dashboard) from None
    stage.sent = True
    shared = "the cluster has the package already; runs of the same files share its folder"
    told = f"{sent:,} bytes uploaded" if sent else shared
    installs = f", installs {', '.join(ready.plan.installs)}" if ready.plan.installs else ""
    console.say(f"sent {ready.plan.submission_id} ({told}{installs})")
    console.say(f"watch {dashboard.url}/#/jobs/{ready.plan.submission_id}")


async def explained(fault: ServerError, dashboard: Dashboard) -> ServerError:
    """The error, or that the head's disk is full: Ray's answer is then a 500 without a word."""
    try:
        disk = disk_of(await head_summary(dashboard)) if fault.status >= 500 else None
    except Unreachable:
        return fault
    if disk and disk.full:
        return ServerError(full(disk), room(bool(dashboard.target.expects.ray)), fault.status)
    return fault


async def send_when_there_is_room(
    dashboard: Dashboard, plan: JobPlan, console: Console, stage: Progress, deadline: float | None
) -> None:
    """Submits the job. Where the cluster runs as many as it holds (429), waits for one to end, until the deadline."""
    began, waiting = time.monotonic(), False
    while True:
        stage.sending = True
        try:
            return await submission.submit(dashboard, plan)
        except ServerError as fault:
            stage.sending = False
            if fault.status != FULL or (deadline is not None and time.monotonic() - began > deadline):
                raise
            if not waiting:
                console.say("the cluster runs as many jobs as it holds; waiting for one to end")
            waiting = True
            await asyncio.sleep(random.uniform(*AGAIN))


async def follow(
    dashboard: Dashboard, submission_id: str, options: Options, console: Console, stage: Progress
) -> Job:
    """The job's end, its log and its result shown."""
    screen = LogDisplay(console.write)
    log = Log(screen.take if console.out.isatty() else console.write)
    follower = Follower(dashboard, submission_id, log, console.say)
    try:
        job = await follower.run(options.deadline)
        screen.end()
    finally:
        stage.job = follower.job if follower.job.terminal else None
    console.verdict(job)
    outcome.deliver(log, job, dashboard.target.name, options, console)
    return job
