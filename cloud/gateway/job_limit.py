"""How many jobs a head runs at a time.

Each job's driver and supervisor take about 110 MB of the head's memory from their start. Without a limit the kernel
ends one of them, and a job that failed for want of memory looks like any other failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

MIB = 2**20
RAY = 1024 * MIB  # what Ray takes of the head's memory
JOB = 128 * MIB
SECONDS = 10.0
WAIT = 2  # seconds after which a client may try again


class Full(Exception):
    """There is no room for another job. Its text is a sentence for the client."""


def jobs_in(memory: int) -> int:
    """How many jobs at a time a head of so many bytes runs; at least 1."""
    return max(1, (memory - RAY) // JOB)


@dataclass(slots=True)
class Room:
    """`most` jobs at a time; 0 for no limit."""

    most: int = 0
    starting: int = 0  # let in, and perhaps not in the dashboard's list yet
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def place(self, session: aiohttp.ClientSession, dashboard: str) -> AsyncIterator[None]:
        """A place for a job that is being started. Full where there is none; an error if the dashboard does not say."""
        if self.most:
            async with self.lock:
                if await active(session, dashboard) + self.starting >= self.most:
                    raise Full(
                        f"The head runs {self.most} jobs, as many as its memory holds. Try again when one has ended, "
                        "or give it more memory (HEAD_MEMORY)."
                    )
                self.starting += 1
        try:
            yield
        finally:
            self.starting -= bool(self.most)


async def active(session: aiohttp.ClientSession, dashboard: str) -> int:
    """Jobs that run or are about to, as Ray's dashboard tells."""
    where = URL(f"{dashboard.rstrip('/')}/api/jobs/")
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    headers = {"User-Agent": "raydock-gateway"}  # without one, Ray answers 500
    async with session.get(where, timeout=timeout, headers=headers, allow_redirects=False) as reply:
        reply.raise_for_status()
        found = await reply.json() if reply.status == 200 else None
    if not isinstance(found, list):
        raise ValueError(f"{where} is no list of jobs")
    running = ("PENDING", "RUNNING")
    return sum(one.get("type") == "SUBMISSION" and one.get("status") in running for one in found)
