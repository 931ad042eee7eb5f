"""Follow a job: print its log as it grows, and return as soon as its outcome is confirmed.

Ray's own tail sleeps for whole seconds (job/utils.py, job_manager.py). Instead, this polls the log and the status.

The end of a log never decides the outcome (ray#57002, ray#60665): a job has succeeded only when the Job API reports
SUCCEEDED. A failure is detected earlier, from the log of the job's supervisor: it already contains the exit code while
Ray sleeps for two seconds to collect the job's last lines (job_log_storage_client.py) before it sets FAILED.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace

from anyio import fail_after, move_on_after

from raydock.errors import ServerError, Unreachable
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job

from ..errors import Lost
from . import pending
from .log import Log
from .log_reader import LogReader
from .polling import HEARTBEAT, USUAL, Outage, PollIntervals
from .scheduling import stuck
from .supervisor import stop

# The supervisor writes no such line for a stopped job; an exit code of 0 needs the Job API's confirmation.
EXITED = re.compile(rb"Job \S+ entrypoint command exited with code (-?[1-9]\d*)\s")


@dataclass(frozen=True, slots=True)
class Messages:
    """Where messages for the user go. On a terminal, `progress` rewrites a status line; "" removes it."""

    notify: Callable[[str], None]
    progress: Callable[[str], None] | None = None


class Follower:
    """Follow one job. `messages` is for the user, `log` is the job's own output."""

    def __init__(
        self,
        dashboard: Dashboard,
        submission_id: str,
        log: Log,
        messages: Messages,
        intervals: PollIntervals = USUAL,
    ) -> None:
        self.dashboard, self.submission_id, self.intervals = dashboard, submission_id, intervals
        self.notify, self.progress = messages.notify, messages.progress
        self.reader = LogReader(dashboard, submission_id, log, intervals)
        self.job = Job(submission_id, "PENDING")
        self.outage = Outage(intervals)
        self.running = asyncio.Event()
        self.failure = asyncio.Event()
        # The supervisor's log has changed, so the status may have, too.
        self.supervisor_changed = asyncio.Event()
        self.supervised = False
        self.stopping = False

    @property
    def attach(self) -> str:
        """The command that follows this job again."""
        return f"python submit.py {self.dashboard.target.flags}attach {shlex.quote(self.submission_id)}"

    async def run(self, deadline: float | None = None) -> Job:
        """Follow the job until it finishes and its whole log is written; stop it after `deadline` seconds.

        Raises Lost if the cluster stops answering or no longer has the job, because the outcome is then unknown.
        """
        watching, showing = asyncio.create_task(self.watch_status()), asyncio.create_task(self.show_log())
        background = [
            asyncio.create_task(task)
            for task in (
                self.watch_supervisor(),
                self.heartbeat(),
                self.report_stuck_work(),
                self.show_pending(),
            )
        ]
        try:
            done, _ = await asyncio.wait(
                {watching, showing}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                await self.stop_overdue(deadline or 0)
            if showing in done:
                showing.result()  # it only finishes with an error on our side, such as a full disk
            await watching
        finally:
            await end_tasks({watching, showing, *background})
        if not await self.reader.read_rest():
            self.notify(f"Can't read the end of the log. To try again: {self.attach}")
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
            age = 0 if now < burst_end else now - started
            wait = self.intervals.for_age(age, self.intervals.min, self.intervals.max)
            if self.supervised and now >= burst_end:
                wait = self.intervals.supervised
            with move_on_after(wait):
                await self.supervisor_changed.wait()
                self.supervisor_changed.clear()
                burst_end = time.monotonic() + self.intervals.burst
            if self.failure.is_set():
                return

    async def status(self) -> Job | None:
        """The job according to the Job API. Raises Unreachable after `intervals.status_timeout` in total."""
        try:
            with fail_after(self.intervals.status_timeout):
                return await self.dashboard.job(self.submission_id)
        except TimeoutError:
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

    async def show_pending(self) -> None:
        """Show on a terminal how long the job has been PENDING, and why, until it runs."""
        if self.progress:
            line = pending.PendingLine(self.dashboard, self.progress, self.intervals.pending_reason)
            await line.show(lambda: self.job, self.running)

    async def report_stuck_work(self) -> None:
        """Report each task, actor or placement group that no node can hold, once."""
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

        The supervisor also logs every other way in which a job can finish. While its log can be read, the status is
        therefore polled only every two seconds unless the log has just changed.
        """
        await self.running.wait()
        file, text, started = f"jobs/supervisor-{self.submission_id}.log", b"", time.monotonic()
        while True:
            began = time.monotonic()
            before, text = text, await self.supervisor_log(file)
            if text != before:
                self.supervisor_changed.set()
            if match := EXITED.search(text):
                return self.record_failure(int(match[1]))
            now = time.monotonic()
            wait = self.intervals.for_age(now - started, self.intervals.min, self.intervals.idle)
            await asyncio.sleep(max(wait, self.intervals.for_load(now - began)))

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
        """Record the job's status, and report periodically why it is pending. Returns the time of the last notice."""
        if job.terminal or not self.failure.is_set():
            self.job = job
        self.reader.node = self.job.driver_node
        if job.status != "PENDING" and job.driver_node:
            self.running.set()
        if (
            not self.progress
            and job.status == "PENDING"
            and now - last_notice > self.intervals.pending_notice
        ):
            self.notify(
                f"{self.submission_id} is PENDING: {job.message or 'the cluster has not started it yet'}"
            )
            return now
        return last_notice

    def forgotten(self) -> Lost:
        """The error for a job that the cluster no longer has."""
        return Lost(
            f"The cluster at {self.dashboard.url} has no job {self.submission_id}: "
            "the cluster was restarted, or the job was deleted.",
            f"python submit.py {self.dashboard.target.flags}list",
        )

    async def stop_overdue(self, deadline: float) -> None:
        """Stop the job after its deadline, and wait until it has stopped. Raises Lost."""
        self.notify(f"{self.submission_id} did not finish within {deadline:g} s; stopping it.")
        self.stopping = True
        await stop(self.dashboard, self.submission_id, self.intervals)

    async def show_log(self) -> None:
        """Write the log as it grows, until cancelled."""
        await self.running.wait()
        await self.reader.show()


async def end_tasks(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended: on Python 3.10, a timeout at the same moment may swallow a cancellation."""
    while left := {task for task in tasks if not task.done()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=1)
