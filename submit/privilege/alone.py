"""Waits until a cluster runs no other job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from raydock.errors import NotReady
from raydock.rayapi.dashboard import Dashboard
from raydock.units import duration

PAUSE = 1.0  # seconds between polls


async def wait_until_idle(dashboard: Dashboard, deadline: float | None, say: Callable[[str], None]) -> None:
    """Wait until no job is pending or running. Raises NotReady after `deadline` seconds."""
    began, waiting = time.monotonic(), False
    while busy := [job.submission_id for job in await dashboard.jobs() if not job.terminal]:
        if deadline is not None and time.monotonic() - began > deadline:
            text = f"{', '.join(busy[:3])} had not finished after {duration(deadline)}; nothing was sent."
            raise NotReady(text, f"python submit.py stop {busy[0]}")
        if not waiting:
            say(f"waiting for {', '.join(busy[:3])} to finish")
        waiting = True
        await asyncio.sleep(PAUSE)
