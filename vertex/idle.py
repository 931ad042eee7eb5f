"""Deletes an idle cluster. Vertex AI never does this, and keeps billing until the cluster is deleted.

Anything unknown counts as activity, such as a dashboard that does not respond, or a status that Ray does not define.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydock.errors import PermissionDenied, Unavailable, Unreachable
from raydock.gcp.tokens import AccessToken
from raydock.rayapi import paths
from raydock.rayapi.blocking import BlockingDashboard
from raydock.rayapi.job import TERMINAL
from raydock.units import span
from raydock.waiting import Say
from vertex.client import VertexClient
from vertex.cluster import Cluster
from vertex.dashboard import date, managed
from vertex.errors import ClusterNotFound, VertexError

POLL_INTERVAL = 60.0  # the maximum number of seconds between polls

OpenDashboard = Callable[[Cluster, AccessToken], BlockingDashboard]


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


def check(
    client: VertexClient,
    name: str,
    max_idle: float,
    token: AccessToken,
    open_dashboard: OpenDashboard = managed,
) -> IdleStatus:
    """Check a cluster once. If its dashboard does not respond, the status is `unknown`.

    Raises VertexError or PermissionDenied for errors that the caller can fix.
    """
    try:
        found = client.get(name)
    except ClusterNotFound:
        return IdleStatus("gone", "the cluster does not exist")
    except Unreachable as fault:
        return IdleStatus("unknown", fault.message)
    if found.state == "STOPPING":
        return IdleStatus("gone", "it is being deleted")
    if found.state != "RUNNING":
        return IdleStatus("unknown", f"it is {found.state}")
    try:
        with open_dashboard(found, token) as dashboard:
            reply = dashboard.get(paths.JOBS)
            jobs = dashboard.endpoint.parsed(reply, list)
    except Unavailable as fault:
        return IdleStatus("unknown", fault.message)
    began = found.started or found.created
    if not began or not all(isinstance(job, dict) for job in jobs):
        return IdleStatus("unknown", "it did not report its start time or its jobs")
    return idle_status(activity_of(jobs, began), date(reply.headers), max_idle)


@dataclass(slots=True)
class IdleWatcher:
    """Watches one cluster. Tests replace `sleep` and `open_dashboard`."""

    client: VertexClient
    cluster: str
    max_idle: float  # seconds without a job
    say: Say
    token: AccessToken
    open_dashboard: OpenDashboard = managed
    sleep: Callable[[float], None] = time.sleep

    def check_once(self) -> IdleStatus:
        """Check the cluster once. If it is idle, request its deletion."""
        status = check(self.client, self.cluster, self.max_idle, self.token, self.open_dashboard)
        if status.kind == "idle":
            try:
                self.client.delete(self.cluster)
            except ClusterNotFound:
                return IdleStatus("gone", "it was deleted by another client")
        return status

    def watch(self) -> IdleStatus:
        """Poll until the cluster has been deleted, by this command or by anyone else. Report each change in status.

        Raises VertexError, PermissionDenied or Unreachable if the first check fails.
        """
        last = ""
        while True:
            try:
                status = self.check_once()
            except (VertexError, PermissionDenied, Unreachable) as fault:
                if not last:
                    raise
                # The error may be temporary, and without a watcher the cluster would bill until it is deleted manually.
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
