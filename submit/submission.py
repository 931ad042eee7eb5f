"""Submit a plan: upload the package if the cluster lacks it, then submit the job exactly once."""

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
    """Upload the package unless the cluster has it; returns the number of bytes sent."""
    if await dashboard.has_package(plan.working_dir):
        return 0
    package = await asyncio.to_thread(pack)
    await dashboard.put_package(plan.working_dir, package)
    return len(package)


async def submit(dashboard: Dashboard, plan: JobPlan) -> None:
    """Submit the job exactly once, even if responses get lost: we choose the submission id, so retries are safe.

    Raises UsageError if the id is taken, and Lost if the cluster stops responding before the outcome is known.
    """
    for attempt in range(TRIES):
        try:
            return await dashboard.submit(plan.request())
        except Unreachable as fault:
            if await was_accepted(dashboard, plan, fault):
                return
        except ServerError as fault:
            if "already exists" not in fault.message:
                raise
            if attempt == 0:
                raise UsageError(
                    f"Job {plan.submission_id} already exists.",
                    "omit --submission-id, or choose another",
                ) from None
            return  # created by an earlier attempt whose response was lost
    raise lost(dashboard, plan)


async def was_accepted(dashboard: Dashboard, plan: JobPlan, fault: Unreachable) -> bool:
    """Whether the cluster has the job although its response was lost. Raises Lost if it does not respond."""
    for attempt in range(TRIES):
        try:
            return await dashboard.job(plan.submission_id) is not None
        except Unreachable:
            await asyncio.sleep(PAUSE * 2**attempt)
    raise lost(dashboard, plan) from fault


def lost(dashboard: Dashboard, plan: JobPlan) -> Lost:
    """The error for a job that may or may not have been accepted."""
    return Lost(
        f"The cluster at {dashboard.url} stopped responding during submission; the job may or may not be running.",
        f"python submit.py {dashboard.target.flags}attach {plan.submission_id}",
    )
