"""Submit a plan: upload the package if the cluster lacks it, then submit the job exactly once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from raydock.errors import ServerError, Unreachable, UsageError
from raydock.rayapi.cluster_info import disk_of, head_summary
from raydock.rayapi.dashboard import Dashboard

from .errors import Lost
from .plan import JobPlan
from .preflight import full, room
from .progress import Progress

CLUSTER_FULL = 429  # the response of a cluster on which the job can't start now: cloud/gateway/job_limit.py
RETRY = (1.0, 3.0)  # seconds until the next attempt in that case
TRIES = 4
PAUSE = 0.5  # seconds before the first retry; doubles with each retry


async def upload(dashboard: Dashboard, plan: JobPlan, pack: Callable[[], bytes]) -> int:
    """Upload the package unless the cluster has it; returns the number of bytes sent."""
    if await dashboard.has_package(plan.working_dir):
        return 0
    package = await asyncio.to_thread(pack)
    await dashboard.put_package(plan.working_dir, package)
    return len(package)


async def submit_when_there_is_room(
    dashboard: Dashboard,
    plan: JobPlan,
    progress: Progress,
    deadline: float | None,
    notify: Callable[[str], None],
) -> None:
    """Submit the job. If it can't start because of other jobs, wait up to `deadline` seconds for them to finish."""
    began, waiting = time.monotonic(), False
    while True:
        progress.sending = True
        try:
            return await submit(dashboard, plan)
        except UsageError:
            progress.sending = False
            raise
        except ServerError as fault:
            progress.sending = False
            expired = deadline is not None and time.monotonic() - began > deadline
            if fault.status != CLUSTER_FULL or expired:
                raise
            if not waiting:
                notify(f"waiting: {fault.message.partition(': ')[2]}")  # the gateway's reason
            waiting = True
            await asyncio.sleep(random.uniform(*RETRY))


async def explained(fault: ServerError, dashboard: Dashboard) -> ServerError:
    """The error, replaced by a better one if the head node's disk is full: Ray then responds with a bare 500."""
    try:
        disk = disk_of(await head_summary(dashboard)) if fault.status >= 500 else None
    except Unreachable:
        return fault
    if disk and disk.full:
        return ServerError(full(disk), room(bool(dashboard.target.expects.ray)), fault.status)
    return fault


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
    """Whether the cluster accepted the job even though its response was lost. Raises Lost if it does not respond."""
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
