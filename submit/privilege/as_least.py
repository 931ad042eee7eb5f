"""`--as-least`: runs a job in the lab as a new service account that has only the roles that an earlier run used."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from iam.grant import Edit, apply_edit
from iam.lab import job_account
from iam.policy.least_role import Grant
from iam.policy.principal import email
from iam.provision.service_accounts import new_address, service_accounts
from iam.session import Session, open_session
from iam.used.collect import read_attributed, report_on
from iam.used.report import UsedReport
from raydock.errors import PermissionDenied, RaydockError, Unreachable
from raydock.event_loop import to_end
from raydock.gcp.clouds import LabCloud

from .. import run
from ..options import Options
from ..output import Console
from ..progress import Progress
from ..script import read_script

if TYPE_CHECKING:
    from raydock.rayapi.job import Job

CHECKS = ("storage",)  # skipped: the run itself shows whether the roles are enough


async def run_as_least(options: Options, console: Console, progress: Progress) -> Job | None:
    """Run the job, and say whether the roles were enough.

    Raises UsageError for a script that can't run, and PermissionDenied if the roles can't be granted.
    """
    read_script(Path(options.operand))  # before anything is created for it
    session = await asyncio.to_thread(open_session, "local")
    assert isinstance(session.cloud, LabCloud)
    runs = await asyncio.to_thread(read_attributed, session.cloud, options.as_least)
    report, jobs = report_on(runs, again=True), " ".join(options.as_least)
    refuse(report, jobs)
    checks = tuple(dict.fromkeys((*options.skip_check, *CHECKS)))
    skipped = replace(options, skip_check=checks, alone=True)  # another job would run as the account, too
    async with least_account(session, report.grants.grants, console, progress) as address:
        job = await run.run(skipped, console, progress)
    if job:
        for line in verdict(job, jobs, report, address):
            console.wrapped("", line)
    return job


def refuse(report: UsedReport, jobs: str) -> None:
    """Raise PermissionDenied for runs that one account with roles on buckets can't repeat."""
    more = f"python -m iam used {jobs}"
    if several := next((one for one in report.runs if len(one.principals) > 1), None):
        name = several.run.submission_id
        raise PermissionDenied(f"{name} used several identities: {', '.join(several.principals)}.", more)
    others = [one for one in report.needs if not one.target.bucket]
    if lacking := (*report.grants.uncovered, *others):
        text = f"{jobs} needs {', '.join(lacking[0].permissions)} on {lacking[0].target}, which no narrow role grants."
        raise PermissionDenied(text, more)


@asynccontextmanager
async def least_account(
    session: Session, grants: tuple[Grant, ...], console: Console, progress: Progress
) -> AsyncIterator[str]:
    """A new service account that jobs run as, with these roles. Removed afterwards, unless its job is still running."""
    assert isinstance(session.cloud, LabCloud)
    before = email(session.job)
    address = new_address(f"least-{secrets.token_hex(4)}", session.project)
    accounts = service_accounts(session)
    undo: list[Callable[[], object]] = []

    async def step(do: Callable[[], object], back: Callable[[], object]) -> None:
        undo.append(back)  # before the step, which may be done although it was interrupted or got no answer
        try:
            await to_end(asyncio.to_thread(do))
        except RaydockError as fault:
            if not isinstance(fault, Unreachable):
                undo.pop()
            raise

    try:
        account = address.partition("@")[0]
        await step(
            partial(accounts.create_account, session.project, account),
            partial(accounts.delete_account, address),
        )
        for one in grants:
            edit = Edit(one.resource.bucket, one.role, f"serviceAccount:{address}")
            revoke = replace(edit, revoke=True)
            await step(partial(apply_edit, session, edit, False), partial(apply_edit, session, revoke, False))
        await step(
            partial(job_account.use, session.cloud, address, False, False),
            partial(job_account.use, session.cloud, before, True),
        )
        console.say(f"runs as {address}, whose only roles are: {spelled(grants)}")
        yield address
    finally:
        if progress.sending and not progress.job:
            console.say(f"when the job has finished: python -m iam account use {before}")
            console.say(f"and then: python -m iam account remove {address}")
        else:
            await to_end(roll_back(undo, console))


async def roll_back(undo: list[Callable[[], object]], console: Console) -> None:
    """Undo steps, the last one first. A failure is reported with its fix, and the others are still undone."""
    for step in reversed(undo):
        try:
            await asyncio.to_thread(step)
        except RaydockError as fault:
            console.fault(fault)


def spelled(grants: tuple[Grant, ...]) -> str:
    """The roles and buckets in one line."""
    return ", ".join(f"{one.role} on {one.resource}" for one in grants) or "none"


def verdict(job: Job, jobs: str, report: UsedReport, address: str) -> Iterator[str]:
    """What the run shows."""
    roles = spelled(report.grants.grants)
    if job.status != "SUCCEEDED":
        yield f"Not proved: {job.submission_id} is {job.status}; its only roles were: {roles}."
        yield f"What was denied: python -m iam used {job.submission_id}"
    elif not report.grants.grants:
        yield f"Proved: {job.submission_id} passed as {address} without any role, so there is nothing to request."
    else:
        yield f"Proved: {job.submission_id} passed as {address} with only {roles}."
        yield f"For the request: python -m iam used {jobs} --again --format gcloud"
