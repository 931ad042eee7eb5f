"""Follow a job: print its log as it grows, and return as soon as its end is confirmed.

Ray's own tail sleeps for whole seconds (job/utils.py, job_manager.py). Instead, this polls the driver's log file
through the state API, or the Job API's text if that route is missing. The state API has no offsets: for a long log
we request the last lines and find in them where we left off; if that is ambiguous, we read the whole file.

We avoid the streaming route (`/api/v0/logs/stream`): Ray only notices that a client has disconnected when the file
grows, so every job followed to its end would leak a stream, and after 100 of them the dashboard refuses the whole
state API (measured with 2.47.1; state_head.py, log_agent.py).

The end of a log never decides the outcome (ray#57002, ray#60665): a job has succeeded when the Job API says
SUCCEEDED. A failure is detected earlier from the log of the job's supervisor, which has the exit code while Ray
sleeps for two seconds over the job's last lines (job_log_storage_client.py) before it sets FAILED.
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
from .polling import HEARTBEAT, USUAL, Outage, PollIntervals
from .scheduling import stuck

# The supervisor writes no such line for a stopped job; an exit code of 0 needs the Job API's confirmation.
EXITED = re.compile(rb"Job \S+ entrypoint command exited with code (-?[1-9]\d*)\s")


class Follower:
    """Follow one job. `notify` receives messages for the user, `log` the job's own output."""

    def __init__(
        self,
        dashboard: Dashboard,
        submission_id: str,
        log: Log,
        notify: Callable[[str], None],
        intervals: PollIntervals = USUAL,
    ) -> None:
        self.dashboard, self.submission_id, self.log, self.notify, self.intervals = (
            dashboard,
            submission_id,
            log,
            notify,
            intervals,
        )
        self.job = Job(submission_id, "PENDING")
        self.outage = Outage(intervals)
        self.running = asyncio.Event()
        self.failure = asyncio.Event()
        self.supervisor_changed = (
            asyncio.Event()
        )  # the supervisor's log has changed, so the status may have, too
        self.supervised = False
        self.use_job_api = False

    @property
    def file(self) -> str:
        """The driver's log file, on the node that the driver runs on."""
        return f"job-driver-{self.submission_id}.log"

    @property
    def attach(self) -> str:
        """The command that follows this job again."""
        return f"python submit.py {self.dashboard.target.flags}attach {shlex.quote(self.submission_id)}"

    async def run(self, deadline: float | None = None) -> Job:
        """Follow the job until it ends and its whole log is written; stop it after `deadline` seconds.

        Raises Lost if the cluster stops answering or no longer has the job: how it ended is then unknown.
        """
        watching, showing = asyncio.create_task(self.watch_status()), asyncio.create_task(self.show_log())
        background = [
            asyncio.create_task(task)
            for task in (self.watch_supervisor(), self.heartbeat(), self.report_stuck_work())
        ]
        try:
            done, _ = await asyncio.wait(
                {watching, showing}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                await self.stop_overdue(deadline or 0)
            if showing in done:
                showing.result()  # it only ends with an error of our own, such as a full disk
            await watching
        finally:
            for task in (watching, showing, *background):
                task.cancel()
            await asyncio.gather(watching, showing, *background, return_exceptions=True)
        await self.read_rest()
        return self.job

    async def watch_status(self) -> None:
        """Poll the status until it is terminal. Raises Lost."""
        started = last_known = last_notice = time.monotonic()
        burst_end = 0.0
        while True:
            try:
                job = await self.status()
            except (Unreachable, ServerError) as fault:
                if self.outage.record_failure():
                    raise Lost(
                        f"{fault.message} Job {self.submission_id} may still be running.", self.attach
                    ) from None
                if self.outage.just_began:
                    self.notify(f"{fault.message} Retrying for {self.intervals.outage_timeout:g} s.")
                await asyncio.sleep(self.intervals.retry)
                continue
            self.outage.record_success()
            now = time.monotonic()
            if job is None:
                if now - last_known > self.intervals.unknown_timeout:
                    raise self.forgotten()
            else:
                last_known, last_notice = now, self.update(job, last_notice, now)
                if job.terminal:
                    return
            most = self.intervals.supervised if self.supervised else self.intervals.max
            age = 0 if now < burst_end else now - started
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(
                    self.supervisor_changed.wait(), self.intervals.for_age(age, self.intervals.min, most)
                )
                self.supervisor_changed.clear()
                burst_end = time.monotonic() + self.intervals.burst
            if self.failure.is_set():
                return

    async def status(self) -> Job | None:
        """The job according to the Job API. Raises Unreachable after `intervals.status_timeout` in total."""
        try:
            return await asyncio.wait_for(
                self.dashboard.job(self.submission_id), self.intervals.status_timeout
            )
        except asyncio.TimeoutError:
            raise Unreachable(
                f"The cluster at {self.dashboard.url} does not answer: "
                f"no response within {self.intervals.status_timeout:g} s.",
                self.dashboard.target.fix,
            ) from None

    async def heartbeat(self) -> None:
        """Record once a second that this process is awake."""
        while True:
            self.outage.heartbeat()
            await asyncio.sleep(HEARTBEAT)

    async def report_stuck_work(self) -> None:
        """Report each task, actor or placement group that fits on no node, once."""
        await self.running.wait()
        reported, wait = set[str](), self.intervals.stuck_first
        while True:
            await asyncio.sleep(wait)
            wait = min(2 * wait, self.intervals.stuck_max)
            if not self.job.job_id:
                continue
            with suppress(Unreachable, ServerError):
                for line in await stuck(self.dashboard, self.job.job_id):
                    if line not in reported:
                        self.notify(f"{self.submission_id}: {line}")
                    reported.add(line)

    async def watch_supervisor(self) -> None:
        """Watch the supervisor's log: detect a failure before the Job API reports it, and trigger status polls.

        The supervisor also logs every other way that a job ends. While its log can be read, the status of an old job
        is therefore polled only every two seconds instead of three times a second.
        """
        await self.running.wait()
        file, text, started = f"jobs/supervisor-{self.submission_id}.log", b"", time.monotonic()
        while True:
            before, text = text, await self.supervisor_log(file)
            if text != before:
                self.supervisor_changed.set()
            if match := EXITED.search(text):
                return self.record_failure(int(match[1]))
            age = time.monotonic() - started
            await asyncio.sleep(self.intervals.for_age(age, self.intervals.max, self.intervals.idle))

    async def supervisor_log(self, file: str) -> bytes:
        """The last lines of the supervisor's log; empty if it can't be read."""
        try:
            text = await self.dashboard.log_file(self.job.driver_node, file, lines=50)
        except (Unreachable, ServerError):
            text = None
        self.supervised = text is not None
        return text or b""

    def record_failure(self, code: int) -> None:
        """Record that the entrypoint has exited with this non-zero code."""
        message = f"Job entrypoint command failed with exit code {code}"
        self.job = replace(
            self.job, status="FAILED", message=message, driver_exit_code=code, ended=time.time()
        )
        self.failure.set()
        self.supervisor_changed.set()

    def update(self, job: Job, last_notice: float, now: float) -> float:
        """Record the job's status, and report now and then why it is pending. Returns the time of the last notice."""
        if job.terminal or not self.failure.is_set():
            self.job = job
        if job.status != "PENDING" and job.driver_node:
            self.running.set()
        if job.status == "PENDING" and now - last_notice > self.intervals.pending_notice:
            self.notify(
                f"{self.submission_id} is PENDING: {job.message or 'the cluster has not started it yet'}"
            )
            return now
        return last_notice

    def forgotten(self) -> Lost:
        """The error for a job that the cluster does not have."""
        return Lost(
            f"The cluster at {self.dashboard.url} has no job {self.submission_id}: "
            "the cluster was restarted, or the job was deleted.",
            f"python submit.py {self.dashboard.target.flags}list",
        )

    async def stop_overdue(self, deadline: float) -> None:
        """Stop the job after its deadline, and wait until it has stopped. Raises Lost."""
        self.notify(f"{self.submission_id} did not finish within {deadline:g} s; stopping it.")
        await stop(self.dashboard, self.submission_id, self.intervals)

    async def show_log(self) -> None:
        """Write the log as it grows, until cancelled. Polls less often if the log is idle or expensive to read."""
        await self.running.wait()
        refused, wait = 0, self.intervals.min
        while True:
            before, began, size = self.log.chars, time.monotonic(), 0
            try:
                size = await self.read()
                refused = 0
            except ServerError:
                refused += 1
                self.use_job_api = self.use_job_api or refused > 2
            except Unreachable:
                pass  # `watch_status` reports it, and gives up in time
            grown = self.log.chars > before
            wait = self.intervals.min if grown else min(wait * 1.5, self.intervals.idle)
            took = time.monotonic() - began
            await asyncio.sleep(max(wait, 5 * took, size / self.intervals.bytes_per_second))

    async def read(self, whole: bool = False) -> int:
        """Read what is new in the log, keeping whatever arrives before an error. Returns how much was read."""
        if self.use_job_api or not self.job.driver_node:
            self.log.take_text(await self.dashboard.logs(self.submission_id))
            return self.log.chars
        if not whole and (lines := self.log.tail_lines):
            tail = await self.dashboard.log_file(self.job.driver_node, self.file, lines)
            if tail is not None and self.log.take_tail(tail):
                return len(tail)
        skip = self.log.bytes
        async with self.dashboard.log_chunks(self.job.driver_node, self.file) as chunks:
            async for chunk in chunks:
                self.log.take(chunk[skip:])
                skip = max(0, skip - len(chunk))
        return self.log.bytes

    async def read_rest(self) -> None:
        """Write the rest of the log after the job has ended; up to four attempts."""
        for attempt in range(4):
            try:
                await self.read(whole=True)
                self.log.end()
                return
            except (Unreachable, ServerError):
                self.use_job_api = self.use_job_api or (attempt > 0 and self.log.bytes == 0)
                await asyncio.sleep(0.2 * 2**attempt)
        self.notify(f"Can't read the end of the log. To read it again: {self.attach}")
        self.log.end()


async def stop(dashboard: Dashboard, submission_id: str, intervals: PollIntervals = USUAL) -> Job:
    """Stop a job and return it once it has ended. Raises Lost if it does not end (ray#58353)."""
    await dashboard.stop(submission_id)
    until = time.monotonic() + intervals.stop_timeout
    while True:
        job = await dashboard.job(submission_id)
        if job and job.terminal:
            return job
        if time.monotonic() > until:
            break
        await asyncio.sleep(0.1)
    raise Lost(
        f"Job {submission_id} did not stop within {intervals.stop_timeout:g} s.",
        f"python submit.py {dashboard.target.flags}list",
    )
