"""Read a job's log as it grows: from the driver's file through the state API, or from the Job API if necessary.

The state API has no offsets: for a long log, the last lines are requested, and the place where we left off is located
in them. If that is ambiguous, the whole file is read.

The streaming route (`/api/v0/logs/stream`) is not used: Ray only notices that a client has disconnected when the file
grows, so every job followed to completion would leak a stream, and after 100 of them the dashboard refuses the whole
state API (measured with 2.47.1; state_head.py, log_agent.py).
"""

from __future__ import annotations

import asyncio
import time

from raydock.errors import ServerError, Unreachable
from raydock.rayapi.dashboard import Dashboard

from .log import Log
from .polling import PollIntervals

ATTEMPTS = 4  # to read the end of a log


class LogReader:
    """Reads one job's log. `node` is the driver's node; set it once it is known."""

    def __init__(self, dashboard: Dashboard, submission_id: str, log: Log, intervals: PollIntervals) -> None:
        self.dashboard, self.submission_id, self.log, self.intervals = (
            dashboard,
            submission_id,
            log,
            intervals,
        )
        self.node = ""
        self.use_job_api = False

    @property
    def file(self) -> str:
        """The driver's log file, on the node that the driver runs on."""
        return f"job-driver-{self.submission_id}.log"

    async def show(self) -> None:
        """Write the log as it grows, until cancelled. Polls less often if the log is idle or expensive to read."""
        refused, wait, started = 0, self.intervals.min, time.monotonic()
        while True:
            before, began, size = self.log.chars, time.monotonic(), 0
            try:
                size = await self.read()
                refused = 0
            except ServerError:
                refused += 1
                self.use_job_api = self.use_job_api or refused > 2
            except Unreachable:
                pass  # the status poll reports it, and eventually gives up
            grown = self.log.chars > before
            least = self.intervals.for_age(began - started, self.intervals.min, self.intervals.growing)
            wait = max(wait * 0.7, least) if grown else min(wait * 1.5, self.intervals.idle)
            took = time.monotonic() - began
            load = max(self.intervals.for_load(took), 5 * took)
            await asyncio.sleep(max(wait, load, size / self.intervals.bytes_per_second))

    async def read(self, whole: bool = False) -> int:
        """Read what is new in the log, keeping whatever arrives before an error. Returns how much was read."""
        if self.use_job_api or not self.node:
            self.log.take_text(await self.dashboard.logs(self.submission_id))
            return self.log.chars
        if not whole and (lines := self.log.tail_lines):
            tail = await self.dashboard.log_file(self.node, self.file, lines)
            if tail is not None and self.log.take_tail(tail):
                return len(tail)
        skip = self.log.bytes
        async with self.dashboard.log_chunks(self.node, self.file) as chunks:
            async for chunk in chunks:
                self.log.take(chunk[skip:])
                skip = max(0, skip - len(chunk))
        return self.log.bytes

    async def read_rest(self) -> bool:
        """Write the rest of the log after the job has finished. Returns False if it can't be read."""
        for attempt in range(ATTEMPTS):
            try:
                await self.read(whole=True)
                self.log.end()
                return True
            except (Unreachable, ServerError):
                self.use_job_api = self.use_job_api or (attempt > 0 and self.log.bytes == 0)
                await asyncio.sleep(0.2 * 2**attempt)
        self.log.end()
        return False
