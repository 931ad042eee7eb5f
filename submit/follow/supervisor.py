"""A job's supervisor: the actor that prepares the environment on a node and runs the entrypoint there.

Source: ray 2.47.1, `dashboard/modules/job/job_manager.py`, `dashboard/modules/reporter/reporter_head.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from raydock.answers import amounts, text
from raydock.errors import ServerError, Unreachable
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job

from ..errors import Lost
from .polling import USUAL, PollIntervals
from .scheduling import query

CLASS = "JobSupervisor"
NAME = "_ray_internal_job_actor_"  # followed by the submission id


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The actor. `owner` is the Ray job that created it, in hexadecimal: log files are named after it."""

    actor_id: str
    state: str
    required: Mapping[str, float] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """The id of the Ray job that created it: the last part of the actor id. Log files are named after it."""
        return self.actor_id[-8:]


async def find(dashboard: Dashboard, submission_id: str) -> Supervisor | None:
    """The job's supervisor; None if there is none, or not exactly one. Raises ServerError, Unreachable."""
    name = NAME + submission_id
    actors = await dashboard.state("actors", query(("name", name)), 10)
    found = [
        Supervisor(text(one.get("actor_id")), text(one.get("state")), amounts(one.get("required_resources")))
        for one in actors
        if one.get("name") == name and one.get("class_name") == CLASS and one.get("state") != "DEAD"
    ]
    return found[0] if len(found) == 1 and found[0].actor_id else None


async def stop(dashboard: Dashboard, submission_id: str, intervals: PollIntervals = USUAL) -> Job:
    """Stop a job and return it once it has finished. Raises Lost if it does not stop (ray#58353).

    Ray passes the request to the supervisor, so a job whose supervisor can't start stays PENDING. After
    `intervals.pending_stop`, the supervisor is therefore removed; Ray then sets the job to FAILED.
    """
    await dashboard.stop(submission_id)
    began = time.monotonic()
    removed = False
    while (passed := time.monotonic() - began) <= intervals.stop_timeout:
        job = await dashboard.job(submission_id)
        if job and job.terminal:
            return job
        if job and job.status == "PENDING" and passed > intervals.pending_stop and not removed:
            removed = await remove(dashboard, submission_id)
        await asyncio.sleep(0.1)
    raise Lost(
        f"Job {submission_id} did not stop within {intervals.stop_timeout:g} s.",
        f"python submit.py {dashboard.target.flags}list",
    )


async def remove(dashboard: Dashboard, submission_id: str) -> bool:
    """Remove the job's supervisor, which stops the job. Returns whether the cluster accepted the request."""
    try:
        supervisor = await find(dashboard, submission_id)
        if supervisor is None:
            return False
        flags = {"actor_id": supervisor.actor_id, "force_kill": "true", "no_restart": "true"}
        await dashboard.request("GET", f"/api/actors/kill?{urlencode(flags)}")
    except (ServerError, Unreachable):
        return False
    return True
