"""Whether a cluster is idle, from its jobs, and watching one until it has been deleted.

Anything unknown counts as activity, such as a dashboard that does not respond, or a status that Ray does not define.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from raydock.errors import RaydockError, Unavailable
from raydock.units import span
from raydock.waiting import Say

from . import paths
from .blocking import BlockingDashboard
from .job import TERMINAL

POLL_INTERVAL = 60.0  # the maximum number of seconds between polls


@dataclass(frozen=True, slots=True)
class Activity:
    """The ids of unfinished jobs, and when the last job finished (`since`, in seconds since 1970)."""

    unfinished: tuple[str, ...]
    since: float


@dataclass(frozen=True, slots=True)
class IdleStatus:
    """Whether a cluster is idle.

    `kind` is gone, busy, quiet (idle, but not for long enough yet), idle or unknown. `why` explains it.
    `remaining` is the number of seconds until a quiet cluster counts as idle.
    """

    kind: str
    why: str
    remaining: float = 0.0


def activity_of(jobs: Sequence[Mapping[str, Any]], started: float) -> Activity:
    """Read the activity from `GET /api/jobs/`, which uses milliseconds. Drivers started manually count too."""
    unfinished = tuple(
        str(job.get("submission_id") or job.get("job_id") or "a driver")
        for job in jobs
        if job.get("status") not in TERMINAL
    )
    ends = [float(job.get("end_time") or job.get("start_time") or 0) / 1000 for job in jobs]
    return Activity(unfinished, max([started, *ends]))


def idle_status(activity: Activity, now: float, max_idle: float) -> IdleStatus:
    """Decide whether the cluster has run nothing for `max_idle` seconds."""
    if activity.unfinished:
        more = f" and {len(activity.unfinished) - 3} more" if len(activity.unfinished) > 3 else ""
        return IdleStatus("busy", f"unfinished jobs: {', '.join(activity.unfinished[:3])}{more}")
    quiet = now - activity.since
    why = f"no job for {span(quiet)}"
    return IdleStatus("idle", why) if quiet >= max_idle else IdleStatus("quiet", why, max_idle - quiet)


def read_status(open_dashboard: Callable[[], BlockingDashboard], began: float, max_idle: float) -> IdleStatus:
    """The status of a cluster that has run since `began`, 0 if that is unknown. Times are the server's."""
    try:
        with open_dashboard() as dashboard:
            reply = dashboard.get(paths.JOBS)
            jobs = dashboard.endpoint.parsed(reply, list)
    except Unavailable as fault:
        return IdleStatus("unknown", fault.message)
    if not began or not all(isinstance(job, dict) for job in jobs):
        return IdleStatus("unknown", "it did not report its start time or its jobs")
    return idle_status(activity_of(jobs, began), date(reply.headers), max_idle)


def date(headers: Mapping[str, str]) -> float:
    """The server's time, so that a wrong local clock does not matter. The local time if the server sends none."""
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()


@dataclass(frozen=True, slots=True)
class Watch:
    """Watches one cluster. `check_once` deletes it if it is idle; `tolerated` errors of later checks are reported."""

    cluster: str
    max_idle: float  # seconds without a job
    check_once: Callable[[], IdleStatus]
    say: Say
    tolerated: tuple[type[RaydockError], ...]
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> IdleStatus:
        """Poll until the cluster has been deleted, by this command or by anyone else. Report each change in status.

        Raises a tolerated error if the first check fails.
        """
        last = ""
        while True:
            try:
                status = self.check_once()
            except self.tolerated as fault:
                if not last:
                    raise
                # The error may be temporary, and without a watcher the cluster would run until it is deleted manually.
                status = IdleStatus("unknown", fault.message)
            if status.kind in ("idle", "gone"):
                return status
            shown = status.kind if status.kind == "quiet" else f"{status.kind} {status.why}"
            if shown != last:
                self.say(message(self.cluster, status))
            last = shown
            self.sleep(
                min(POLL_INTERVAL, max(status.remaining, 1.0))
                if status.kind == "quiet"
                else min(POLL_INTERVAL, self.max_idle)
            )


def message(cluster: str, status: IdleStatus) -> str:
    """One sentence about the cluster's status and what was done."""
    return {
        "gone": f"{cluster}: nothing to delete: {status.why.rstrip('.')}.",
        "busy": f"{cluster}: kept: {status.why}.",
        "quiet": f"{cluster}: kept: {status.why}. Unless one starts, it counts as idle in {span(status.remaining)}.",
        "idle": f"{cluster}: deleting it: {status.why}.",
        "unknown": f"{cluster}: kept, because it is unknown whether it is idle: {status.why.rstrip('.')}.",
    }[status.kind]
