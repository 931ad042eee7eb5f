"""Decides whether a new job can start now: how many run at the same time on a head node, and which run alone.

Each job's driver and supervisor use about 110 MB of the head's memory from the start. Without a limit, the kernel's
OOM killer kills one of them, and that looks like any other failure.

A job whose metadata contains `"alone": "yes"` (`submit.py --alone`) starts when no other job is running, and none
starts until it ends. While it waits, no new jobs start either, so that it is not overtaken.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

MIB = 2**20
RAY_MEMORY = 1024 * MIB  # Ray's own processes on the head
JOB_MEMORY = 128 * MIB  # one job's driver and supervisor
TIMEOUT = 10.0  # seconds for the dashboard to list its jobs
RETRY_AFTER = 2  # seconds after which a client should retry
ALONE = "alone"  # the name in a job's metadata
HOLD = (
    10.0  # seconds for which other jobs wait for one that is to run alone; each of its retries extends them
)
RUNNING = ("PENDING", "RUNNING")


class TooManyJobs(Exception):
    """The job can't start now. The message is for the client."""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A pending or running job. `submitted`: by the Job API, so that it has a driver and a supervisor on the head."""

    name: str
    submitted: bool = True
    alone: bool = False


def jobs_that_fit(memory: int) -> int:
    """The number of concurrent jobs that fit in this many bytes of head memory; at least 1."""
    return max(1, (memory - RAY_MEMORY) // JOB_MEMORY)


@dataclass(slots=True)
class JobLimit:
    """Allows up to `max_jobs` concurrent jobs, or any number if it is 0, and only one if that is to run alone."""

    max_jobs: int = 0
    starting: int = 0  # accepted, but possibly not in the dashboard's list yet
    alone_starting: int = 0  # those of them that are to run alone
    held_until: float = 0  # on the clock: a job that is to run alone is waiting
    clock: Callable[[], float] = time.monotonic
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def slot(
        self, session: aiohttp.ClientSession, dashboard: str, alone: bool = False
    ) -> AsyncIterator[None]:
        """Reserve a slot while a job is being started.

        Raises TooManyJobs if it can't start now, and aiohttp's errors or ValueError if the dashboard does not list its
        jobs.
        """
        async with self.lock:
            self.admit(await active(session, dashboard), alone)
            self.starting += 1
            self.alone_starting += alone
        try:
            yield
        finally:
            self.starting -= 1
            self.alone_starting -= alone

    def admit(self, running: Sequence[RunningJob], alone: bool) -> None:
        """Raise TooManyJobs if a job can't start beside those that are running."""
        first = next((one.name for one in running if one.alone), "")
        if alone and (running or self.starting):
            self.held_until = self.clock() + HOLD
            names = ", ".join(one.name for one in running[:3]) or "a job that is starting"
            raise TooManyJobs(f"The job is to run alone (--alone), but others are running: {names}.")
        if first or self.alone_starting:
            raise TooManyJobs(f"{first or 'A job'} runs alone (--alone). Try again when it has finished.")
        if not alone and self.clock() < self.held_until:
            raise TooManyJobs(
                "A job that is to run alone (--alone) is waiting for the running ones to finish."
            )
        if self.max_jobs and sum(one.submitted for one in running) + self.starting >= self.max_jobs:
            raise TooManyJobs(
                f"The head is already running {self.max_jobs} jobs, the most its memory allows. Try again when "
                "one finishes, or give it more memory (HEAD_MEMORY)."
            )
        self.held_until = 0


def asks_alone(content: bytes) -> bool:
    """Whether the request for a new job asks that it runs alone. Malformed requests are left to Ray."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return False
    metadata = body.get("metadata") if isinstance(body, dict) else None
    return isinstance(metadata, dict) and metadata.get(ALONE) == "yes"


async def active(session: aiohttp.ClientSession, dashboard: str) -> list[RunningJob]:
    """The pending and running jobs, according to Ray's dashboard.

    Raises aiohttp's errors, or ValueError if the response is not a list.
    """
    where = URL(f"{dashboard.rstrip('/')}/api/jobs/")
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    headers = {"User-Agent": "raydock-gateway"}  # without a User-Agent, Ray returns 500
    async with session.get(where, timeout=timeout, headers=headers, allow_redirects=False) as reply:
        reply.raise_for_status()
        found = await reply.json() if reply.status == 200 else None
    if not isinstance(found, list):
        raise ValueError(f"{where} did not return a list of jobs")
    return [running_job(one) for one in found if one.get("status") in RUNNING]


def running_job(row: Mapping[str, Any]) -> RunningJob:
    """The job in one of the dashboard's rows."""
    metadata = row.get("metadata")
    alone = isinstance(metadata, dict) and metadata.get(ALONE) == "yes"
    name = row.get("submission_id") or f"Ray job {row.get('job_id')}"
    return RunningJob(str(name), row.get("type") == "SUBMISSION", alone)
