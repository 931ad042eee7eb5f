"""Sends a plan: the package where the cluster lacks it, then the job, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from raydock.errors import ServerError, Unreachable, UsageError
from raydock.rayapi.dashboard import Dashboard

from .errors import Lost
from .plan import JobPlan

TRIES = 4
PAUSE = 0.5  # seconds before the first retry; doubles with each retry


async def upload(dashboard: Dashboard, plan: JobPlan, pack: Callable[[], bytes]) -> int:
    """Uploads the package unless the cluster holds it; the number of bytes that were sent."""
    if await dashboard.has_package(plan.working_dir):
        return 0
    package = await asyncio.to_thread(pack)
    await dashboard.put_package(plan.working_dir, package)
    return len(package)


async def submit(dashboard: Dashboard, plan: JobPlan) -> None:
    """Submits the job once, whatever gets lost: the submission id is ours, so asking again is no second run.

    Raises UsageError where the id is taken, Lost where the cluster stopped answering and it can't be told.
    """
    for attempt in range(TRIES):
        try:
            return await dashboard.submit(plan.request())
        except Unreachable as fault:
            if await arrived(dashboard, plan, fault):
                return
        except ServerError as fault:
            if "already exists" not in fault.message:
                raise
            if attempt == 0:
                raise UsageError(
                    f"There is a job {plan.submission_id} already.",
                    "leave --submission-id out, or choose another",
                ) from None
            return  # an earlier try of ours, whose answer was lost
    raise lost(dashboard, plan)


async def arrived(dashboard: Dashboard, plan: JobPlan, fault: Unreachable) -> bool:
    """Whether the cluster has the job although its answer was lost."""
    for attempt in range(TRIES):
        try:
            return await dashboard.job(plan.submission_id) is not None
        except Unreachable:
            await asyncio.sleep(PAUSE * 2**attempt)
    raise lost(dashboard, plan) from fault


def lost(dashboard: Dashboard, plan: JobPlan) -> Lost:
    """The error for a job of which it is not known whether it was taken."""
    return Lost(
        f"The cluster at {dashboard.url} stopped answering while the job was sent: it may run or not.",
        f"python submit.py {dashboard.target.flags}attach {plan.submission_id}",
    )
