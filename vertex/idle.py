"""Delete a cluster that runs no jobs. Vertex AI never does, and it bills until the cluster is deleted.

Anything unknown counts as activity: a dashboard that does not answer, or a status that Ray does not define.
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
from raydock.waiting import Say
from vertex.client import VertexClient
from vertex.cluster import Cluster
from vertex.cluster_options import span
from vertex.dashboard import date, managed
from vertex.errors import ClusterNotFound, VertexError

LOOK = 60.0  # seconds between polls, at most

Open = Callable[[Cluster, AccessToken], BlockingDashboard]


@dataclass(frozen=True, slots=True)
class Activity:
    """The ids of unfinished jobs (`busy`), and when the last job ended, in seconds since 1970 (`since`)."""

    busy: tuple[str, ...]
    since: float


@dataclass(frozen=True, slots=True)
class IdleStatus:
    """Whether a cluster is idle.

    `kind` is gone, busy, quiet (idle, but not yet for long enough), idle or unknown; `why` gives details.
    `left` is the number of seconds until a quiet cluster counts as idle.
    """

    kind: str
    why: str
    left: float = 0.0


def use_of(jobs: Sequence[Mapping[str, Any]], started: float) -> Activity:
    """The activity from `GET /api/jobs/`, whose times are in milliseconds. Manually run drivers count as well."""
    busy = tuple(
        str(job.get("submission_id") or job.get("job_id") or "a driver")
        for job in jobs
        if job.get("status") not in TERMINAL
    )
    ends = [float(job.get("end_time") or job.get("start_time") or 0) / 1000 for job in jobs]
    return Activity(busy, max([started, *ends]))


def verdict_of(use: Activity, now: float, most: float) -> IdleStatus:
    """Decide whether nothing has run for `most` seconds."""
    if use.busy:
        more = f" and {len(use.busy) - 3} more" if len(use.busy) > 3 else ""
        return IdleStatus("busy", f"has not ended: {', '.join(use.busy[:3])}{more}")
    quiet = now - use.since
    said = f"no job for {span(quiet)}"
    return IdleStatus("idle", said) if quiet >= most else IdleStatus("quiet", said, most - quiet)


def look(api: VertexClient, name: str, most: float, token: AccessToken, open: Open = managed) -> IdleStatus:
    """Check a cluster once. A dashboard that does not answer gives `unknown`.

    Raises VertexError or PermissionDenied for errors that the caller can fix.
    """
    try:
        found = api.get(name)
    except ClusterNotFound:
        return IdleStatus("gone", "there is no such cluster")
    except Unreachable as fault:
        return IdleStatus("unknown", fault.message)
    if found.state == "STOPPING":
        return IdleStatus("gone", "it is being deleted")
    if found.state != "RUNNING":
        return IdleStatus("unknown", f"it is {found.state}")
    try:
        with open(found, token) as dashboard:
            reply = dashboard.get(paths.JOBS)
            jobs = dashboard.endpoint.parsed(reply, list)
    except Unavailable as fault:
        return IdleStatus("unknown", fault.message)
    began = found.started or found.created
    if not began or not all(isinstance(job, dict) for job in jobs):
        return IdleStatus("unknown", "it does not say since when it runs, or what its jobs are")
    return verdict_of(use_of(jobs, began), date(reply.headers), most)


@dataclass(slots=True)
class Idle:
    """Watches one cluster. `sleep` and `open` are replaced in tests."""

    api: VertexClient
    cluster: str
    most: float  # seconds without a job
    say: Say
    token: AccessToken
    open: Open = managed
    sleep: Callable[[float], None] = time.sleep

    def once(self) -> IdleStatus:
        """Check once, and request the deletion of an idle cluster."""
        verdict = look(self.api, self.cluster, self.most, self.token, self.open)
        if verdict.kind == "idle":
            try:
                self.api.delete(self.cluster)
            except ClusterNotFound:
                return IdleStatus("gone", "somebody else deleted it")
        return verdict

    def watch(self) -> IdleStatus:
        """Poll until the cluster is deleted, by this command or otherwise, and report each change of status.

        Raises VertexError, PermissionDenied or Unreachable if the first check fails.
        """
        last = ""
        while True:
            try:
                verdict = self.once()
            except (VertexError, PermissionDenied, Unreachable) as fault:
                if not last:
                    raise
                # It may be temporary, and a watch that has ended saves nothing.
                verdict = IdleStatus("unknown", fault.message)
            if verdict.kind in ("idle", "gone"):
                return verdict
            said = verdict.kind if verdict.kind == "quiet" else f"{verdict.kind} {verdict.why}"
            if said != last:
                self.say(line(self.cluster, verdict))
            last = said
            self.sleep(min(LOOK, max(verdict.left, 1.0)) if verdict.kind == "quiet" else min(LOOK, self.most))


def line(cluster: str, verdict: IdleStatus) -> str:
    """One sentence about the status of the cluster and what was done."""
    return {
        "gone": f"{cluster}: nothing to delete: {verdict.why.rstrip('.')}.",
        "busy": f"{cluster}: kept: {verdict.why}.",
        "quiet": f"{cluster}: kept: {verdict.why}; idle in {span(verdict.left)} if none comes.",
        "idle": f"{cluster}: being deleted: {verdict.why}.",
        "unknown": f"{cluster}: kept: whether it is idle is not known: {verdict.why.rstrip('.')}.",
    }[verdict.kind]
