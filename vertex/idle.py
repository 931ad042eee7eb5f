"""Deletes an idle cluster. Vertex AI never does this, and keeps billing until the cluster is deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from raydock.errors import PermissionDenied, Unreachable
from raydock.gcp.tokens import AccessToken
from raydock.rayapi.blocking import BlockingDashboard
from raydock.rayapi.idle import IdleStatus, Watch, read_status
from raydock.waiting import Say
from vertex.client import VertexClient
from vertex.cluster import Cluster
from vertex.dashboard import managed
from vertex.errors import ClusterNotFound, VertexError

OpenDashboard = Callable[[Cluster, AccessToken], BlockingDashboard]


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
    return read_status(lambda: open_dashboard(found, token), found.started or found.created, max_idle)


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
        """Poll until the cluster has been deleted. Raises VertexError, PermissionDenied or Unreachable at first."""
        tolerated = (VertexError, PermissionDenied, Unreachable)
        return Watch(self.cluster, self.max_idle, self.check_once, self.say, tolerated, self.sleep).run()
