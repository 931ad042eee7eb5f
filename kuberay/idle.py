"""Deletes a RayCluster once it is idle."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kuberay import lifecycle, lookup
from kuberay.client import KubeClient
from kuberay.cluster import RayCluster
from kuberay.errors import ClusterNotFound, KuberayError
from raydock.errors import Unreachable
from raydock.rayapi.blocking import BlockingDashboard
from raydock.rayapi.idle import IdleStatus, Watch, read_status
from raydock.waiting import Say


@dataclass(frozen=True, slots=True)
class IdleWatcher:
    """Watches one cluster. Tests replace `sleep`."""

    client: KubeClient
    cluster: str
    max_idle: float  # seconds without a job
    say: Say
    sleep: Callable[[float], None] = time.sleep

    def check_once(self) -> IdleStatus:
        """Check the cluster once. If it is idle, delete it. Raises Unusable if it belongs to another object."""
        client = self.client
        try:
            found = lookup.read(client, self.cluster)
            status = self.status_of(found)
            if status.kind == "idle":
                client.delete(lifecycle.path_of(client, found.name), found.uid)
        except ClusterNotFound as fault:
            return IdleStatus("gone", fault.message)
        except Unreachable as fault:
            return IdleStatus("unknown", fault.message)
        return status

    def status_of(self, found: RayCluster) -> IdleStatus:
        """Whether an existing cluster is idle. Jobs are counted from when its head became ready: it knows no others."""
        if found.deleting:
            return IdleStatus("gone", "it is being deleted")
        lifecycle.raise_if_unchangeable(found, self.client)
        if not found.ready:
            return IdleStatus("unknown", f"it is {found.described_state}")
        return read_status(
            lambda: dashboard(self.client, found), max(found.created, found.head_since), self.max_idle
        )

    def watch(self) -> IdleStatus:
        """Poll until the cluster has been deleted. Raises KuberayError or Unreachable at first."""
        tolerated = (KuberayError, Unreachable)
        return Watch(self.cluster, self.max_idle, self.check_once, self.say, tolerated, self.sleep).run()


def dashboard(client: KubeClient, cluster: RayCluster) -> BlockingDashboard:
    """The cluster's dashboard, through the API server. Raises NotConfigured without its token."""
    fix = f"See: kubectl {client.context.flags} describe raycluster {cluster.name}"
    return BlockingDashboard(lookup.dashboard(client.context, cluster), fix)
