"""Follows a job: its log as it is written, its end as soon as it is confirmed.

Ray's own tail sleeps whole seconds (job/utils.py, job_manager.py), so this reads the driver's log file through the
state API again and again, and the Job API's text where that route is missing. It knows no offsets: of a long log the
last lines are asked for, what was shown is found again in them, and the whole file is read where that can't be told.
Not through the route that streams (`/api/v0/logs/stream`): Ray notices that nobody reads a stream any more only when
the file grows, so each job that is followed to its end would leave one open for ever, and after 100 of them the
dashboard refuses the whole state API (measured with 2.47.1; state_head.py, log_agent.py). The verdict never comes
from a log's end (ray#57002, ray#60665): a success is a SUCCEEDED that the Job API confirms. A failure is told
earlier by the log of the job's supervisor, which holds the exit code while Ray still sleeps two seconds over the
job's last lines (job_log_storage_client.py) before it sets FAILED.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from raydock.errors import ServerError, Unreachable
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job

from ..errors import Lost
from .log import Log
from .polling import BEAT, USUAL, Outage, PollIntervals
from .scheduling import stuck

# Of a stopped job the supervisor writes no such line; of one that ends with 0 only the Job API's word counts.
EXITED = re.compile(rb"Job \S+ entrypoint command exited with code (-?[1-9]\d*)\s")


class Follower:
    """Follows one job. `tell` gets a line for the person, `log` the job's own output."""

    def __init__(
        self,
        dashboard: Dashboard,
        submission_id: str,
        log: Log,
        tell: Callable[[str], None],
        intervals: PollIntervals = USUAL,
    ) -> None:
        self.dashboard, self.submission_id, self.log, self.tell, self.intervals = (
            dashboard,
            submission_id,
            log,
            tell,
            intervals,
        )
        self.job = Job(submission_id, "PENDING")
        self.outage = Outage(intervals)
        self.running = asyncio.Event()
        self.failure = asyncio.Event()
        self.moved = asyncio.Event()  # the supervisor's log has changed, so the status may
        self.supervised = False
        self.by_text = False

    @property
    def file(self) -> str:
        """The log file of the driver, on the node that it runs on."""
        return f"job-driver-{self.submission_id}.log"

    @property
    def attach(self) -> str:
        """The command that follows this job again."""
        return f"python submit.py {self.dashboard.target.flags}attach {shlex.quote(self.submission_id)}"

    async def run(self, deadline: float | None = None) -> Job:
        """The job, in a terminal status, with its whole log written. `deadline` is in seconds from now.

        Raises Lost where the cluster stops answering, or no longer knows the job: its end is not known then.
        """
        watched, shown = asyncio.create_task(self.watch()), asyncio.create_task(self.show())
        others = [asyncio.create_task(one) for one in (self.supervise(), self.beat(), self.tell_stuck())]
        try:
            done, _ = await asyncio.wait(
                {watched, shown}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                await self.stop_overdue(deadline or 0)
            if shown in done:
                shown.result()  # showing ends only of an error of ours, such as a full disk
            await watched
        finally:
            for task in (watched, shown, *others):
                task.cancel()
            await asyncio.gather(watched, shown, *others, return_exceptions=True)
        await self.catch_up()
        return self.job

    async def watch(self) -> None:
        """Returns when the status is terminal."""
        born = known = told = time.monotonic()
        awake = 0.0
        while True:
            try:
                job = await self.status()
            except (Unreachable, ServerError) as fault:
                if self.outage.failed():
                    raise Lost(
                        f"{fault.message} The job {self.submission_id} may go on.", self.attach
                    ) from None
                if self.outage.first:
                    self.tell(f"{fault.message} Trying again for {self.intervals.lost:g} s.")
                await asyncio.sleep(self.intervals.retry)
                continue
            self.outage.answered()
            now = time.monotonic()
            if job is None:
                if now - known > self.intervals.unknown:
                    raise self.forgotten()
            else:
                known, told = now, self.speak_of(job, told, now)
                if job.terminal:
                    return
            most = self.intervals.asleep if self.supervised else self.intervals.slowest
            age = 0 if now < awake else now - born
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(
                    self.moved.wait(), self.intervals.between_looks(age, self.intervals.quickest, most)
                )
                self.moved.clear()
                awake = time.monotonic() + self.intervals.awake
            if self.failure.is_set():
                return

    async def status(self) -> Job | None:
        """The job as the Job API tells of it. Unreachable where it does not within `intervals.answer`, all in all."""
        try:
            return await asyncio.wait_for(self.dashboard.job(self.submission_id), self.intervals.answer)
        except asyncio.TimeoutError:
            raise Unreachable(
                f"The cluster at {self.dashboard.url} does not answer: nothing within {self.intervals.answer:g} s.",
                self.dashboard.target.fix,
            ) from None

    async def beat(self) -> None:
        """Says once a second that this process is awake."""
        while True:
            self.outage.beat()
            await asyncio.sleep(BEAT)

    async def tell_stuck(self) -> None:
        """Says once of each task, actor or placement group that no node can hold that it is stuck."""
        await self.running.wait()
        told, wait = set[str](), self.intervals.stuck
        while True:
            await asyncio.sleep(wait)
            wait = min(2 * wait, self.intervals.stuck_most)
            if not self.job.job_id:
                continue
            with suppress(Unreachable, ServerError):
                for line in await stuck(self.dashboard, self.job.job_id):
                    if line not in told:
                        self.tell(f"{self.submission_id}: {line}")
                    told.add(line)

    async def supervise(self) -> None:
        """Notes a failure as soon as the job's supervisor has written its exit code; the Job API tells it anyway.

        It writes of every other end as well, so that log says when the status is worth a look, which then is asked
        for every two seconds of an old job, not three times in each.
        """
        await self.running.wait()
        file, said, born = f"jobs/supervisor-{self.submission_id}.log", b"", time.monotonic()
        while True:
            before, said = said, await self.supervisor_log(file)
            if said != before:
                self.moved.set()
            if found := EXITED.search(said):
                return self.failed(int(found[1]))
            age = time.monotonic() - born
            await asyncio.sleep(
                self.intervals.between_looks(age, self.intervals.slowest, self.intervals.still)
            )

    async def supervisor_log(self, file: str) -> bytes:
        """Its last lines; nothing where they can't be read."""
        try:
            said = await self.dashboard.log_file(self.job.driver_node, file, lines=50)
        except (Unreachable, ServerError):
            said = None
        self.supervised = said is not None
        return said or b""

    def failed(self, code: int) -> None:
        """The entrypoint has ended with that exit code, which is not 0."""
        message = f"Job entrypoint command failed with exit code {code}"
        self.job = replace(
            self.job, status="FAILED", message=message, driver_exit_code=code, ended=time.time()
        )
        self.failure.set()
        self.moved.set()

    def speak_of(self, job: Job, told: float, now: float) -> float:
        """Notes the job's state; says why it waits, now and then. When it last spoke."""
        if job.terminal or not self.failure.is_set():
            self.job = job
        if job.status != "PENDING" and job.driver_node:
            self.running.set()
        if job.status == "PENDING" and now - told > self.intervals.pending:
            self.tell(
                f"{self.submission_id} is PENDING: {job.message or 'the cluster has not started it yet'}"
            )
            return now
        return told

    def forgotten(self) -> Lost:
        """The error for a job that the cluster does not know."""
        return Lost(
            f"The cluster at {self.dashboard.url} does not know the job {self.submission_id}: "
            "it was restarted, or the job was deleted.",
            f"python submit.py {self.dashboard.target.flags}list",
        )

    async def stop_overdue(self, deadline: float) -> None:
        """The deadline has passed: the job is stopped, and its end confirmed."""
        self.tell(f"{self.submission_id} has not ended within {deadline:g} s; stopping it.")
        await stop(self.dashboard, self.submission_id, self.intervals)

    async def show(self) -> None:
        """Writes the log as it grows, until it is cancelled; less often the less there is, and the more it costs."""
        await self.running.wait()
        refused, wait = 0, self.intervals.quickest
        while True:
            before, began, size = self.log.chars, time.monotonic(), 0
            try:
                size = await self.read()
                refused = 0
            except ServerError:
                refused += 1
                self.by_text = self.by_text or refused > 2
            except Unreachable:
                pass  # `watch` speaks of it, and gives up when it is time
            grown = self.log.chars > before
            wait = self.intervals.quickest if grown else min(wait * 1.5, self.intervals.still)
            took = time.monotonic() - began
            await asyncio.sleep(max(wait, 5 * took, size / self.intervals.bytes))

    async def read(self, whole: bool = False) -> int:
        """Takes what the log holds beyond what was shown; what came before a break is kept. How much was read."""
        if self.by_text or not self.job.driver_node:
            self.log.take_text(await self.dashboard.logs(self.submission_id))
            return self.log.chars
        if not whole and (lines := self.log.lines_kept):
            end = await self.dashboard.log_file(self.job.driver_node, self.file, lines)
            if end is not None and self.log.take_end(end):
                return len(end)
        skip = self.log.bytes
        async with self.dashboard.log_chunks(self.job.driver_node, self.file) as chunks:
            async for chunk in chunks:
                self.log.take(chunk[skip:])
                skip = max(0, skip - len(chunk))
        return self.log.bytes

    async def catch_up(self) -> None:
        """Writes what the log holds beyond what was shown; tries a few times."""
        for attempt in range(4):
            try:
                await self.read(whole=True)
                self.log.end()
                return
            except (Unreachable, ServerError):
                self.by_text = self.by_text or (attempt > 0 and self.log.bytes == 0)
                await asyncio.sleep(0.2 * 2**attempt)
        self.tell(f"The end of the log could not be read. Try: {self.attach}")
        self.log.end()


async def stop(dashboard: Dashboard, submission_id: str, intervals: PollIntervals = USUAL) -> Job:
    """Stops a job and returns it once it has ended. Raises Lost where it doesn't (ray#58353)."""
    await dashboard.stop(submission_id)
    until = time.monotonic() + intervals.stop
    while True:
        job = await dashboard.job(submission_id)
        if job and job.terminal:
            return job
        if time.monotonic() > until:
            break
        await asyncio.sleep(0.1)
    raise Lost(
        f"The job {submission_id} was asked to stop and has not ended within {intervals.stop:g} s.",
        f"python submit.py {dashboard.target.flags}list",
    )
