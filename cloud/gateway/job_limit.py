"""Limits the number of concurrent jobs on a head node.

Each job's driver and supervisor use about 110 MB of the head's memory from the start. Without a limit, the kernel's
OOM killer kills one of them, and that looks like any other failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

MIB = 2**20
RAY_MEMORY = 1024 * MIB  # Ray's own processes on the head
JOB_MEMORY = 128 * MIB  # one job's driver and supervisor
TIMEOUT = 10.0  # seconds for the dashboard to list its jobs
RETRY_AFTER = 2  # seconds after which a client should retry


class TooManyJobs(Exception):
    """The head has reached its job limit. The message is for the client."""


def jobs_that_fit(memory: int) -> int:
    """The number of concurrent jobs that fit in this many bytes of head memory; at least 1."""
    return max(1, (memory - RAY_MEMORY) // JOB_MEMORY)


@dataclass(slots=True)
class JobLimit:
    """Allows up to `max_jobs` concurrent jobs; 0 for no limit."""

    max_jobs: int = 0
    starting: int = 0  # accepted, but possibly not in the dashboard's list yet
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def slot(self, session: aiohttp.ClientSession, dashboard: str) -> AsyncIterator[None]:
        """Reserve a slot while a job is being started.

        Raises TooManyJobs if none is free, and aiohttp's errors or ValueError if the dashboard does not list its jobs.
        """
        if self.max_jobs:
            async with self.lock:
                if await active(session, dashboard) + self.starting >= self.max_jobs:
                    raise TooManyJobs(
                        f"The head is already running {self.max_jobs} jobs, the most its memory allows. Try again when "
                        "one finishes, or give it more memory (HEAD_MEMORY)."
                    )
                self.starting += 1
        try:
            yield
        finally:
            self.starting -= bool(self.max_jobs)


async def active(session: aiohttp.ClientSession, dashboard: str) -> int:
    """The number of pending and running jobs, according to Ray's dashboard.

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
    running = ("PENDING", "RUNNING")
    return sum(one.get("type") == "SUBMISSION" and one.get("status") in running for one in found)
