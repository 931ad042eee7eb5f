"""The clusters' lifecycle.

PROVISIONING → RUNNING or ERROR, RUNNING → UPDATING → RUNNING, any → STOPPING → deleted.

The desired state is saved before each step, so a restarted control plane resumes what it had started. One task per
cluster reconciles its nodes with that state (`reconcile`); requests only change the state and wake the task.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from cloud.controlplane import errors
from cloud.controlplane.endpoints import hosts
from cloud.controlplane.errors import NodesFailed, RpcError
from cloud.controlplane.lifecycle.capacity import Capacity
from cloud.controlplane.lifecycle.changes import ClusterChanges
from cloud.controlplane.lifecycle.custom_images import local_images
from cloud.controlplane.lifecycle.network_repair import NetworkRepair
from cloud.controlplane.lifecycle.operations import Operations
from cloud.controlplane.lifecycle.provision import ClusterProvisioner
from cloud.controlplane.lifecycle.store import ClusterRecord, OperationRecord, Store
from cloud.controlplane.nodes import node_sizing
from cloud.controlplane.nodes.nodes import Nodes

log = logging.getLogger("raydock.vertex")

POLL = 0.5  # seconds between polls of the nodes


@dataclass(slots=True)
class Clusters:
    """All clusters. `ready` is the deadline, in seconds, for a cluster's nodes to become ready."""

    store: Store
    nodes: Nodes
    ready: float = 180
    poll: float = POLL
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    changes: ClusterChanges = field(default_factory=ClusterChanges)
    capacity: Capacity = field(init=False)  # unlimited until `resume`
    operations: Operations = field(init=False)
    provisioner: ClusterProvisioner = field(init=False)

    def __post_init__(self) -> None:
        self.capacity = Capacity(self.store)
        self.operations = Operations(self.store)
        self.provisioner = ClusterProvisioner(self.nodes, self.ready, self.poll)

    async def resume(self) -> None:
        """Resume unfinished work after a start, and remove the nodes and networks of unknown clusters."""
        seen = await self.nodes.list()
        orphans = [one.key for one in seen if one.key.cluster not in self.store.clusters]
        if orphans:
            log.warning("removing %d nodes of unknown clusters", len(orphans))
            await self.nodes.remove(orphans)
        for name in set(await self.nodes.networked()) - set(self.store.clusters):
            await self.nodes.delete_network(name)
        self.capacity.limit = await self.nodes.capacity()
        self.tasks[""] = asyncio.create_task(NetworkRepair(self.store, self.nodes).run())
        for cluster in self.store.clusters.values():
            self.start_reconcile(cluster)

    def create(
        self, name: str, spec: dict[str, Any], project: str, principal: str, version: str
    ) -> OperationRecord:
        """Create a cluster. Raises RpcError if the name is taken or the capacity is exceeded."""
        if name in self.store.clusters:
            raise errors.exists(name)
        self.capacity.require(name, spec)
        host = hosts.allocate(name, {cluster.host for cluster in self.store.clusters.values()})
        now = time.time()
        cluster = ClusterRecord(name, spec, project, principal, host, now, now)
        cluster.scaled = node_sizing.initial_scale(spec)
        cluster.images = local_images(cluster, self.nodes)
        self.store.clusters[name] = cluster
        return self.start("create", cluster, version)

    def update(self, name: str, counts: list[int], version: str) -> OperationRecord:
        """Change the number of replicas of each pool. Raises RpcError unless the cluster is RUNNING."""
        cluster = self.named(name)
        if cluster.state != "RUNNING":
            raise errors.wrong_state(name, cluster.state, "updated")
        spec = copy.deepcopy(cluster.spec)
        for pool, count in zip(spec["resource_pools"], counts, strict=True):
            if pool.get("autoscaling_spec") is None:
                pool["replica_count"] = count
        self.capacity.require(name, spec)
        cluster.spec, cluster.state = spec, "UPDATING"
        return self.start("update", cluster, version)

    def cancel(self, operation: OperationRecord) -> None:
        """Cancel a creation and delete the cluster. Does nothing if the operation is done.

        Raises RpcError (UNIMPLEMENTED) for any other kind of operation.
        """
        if operation.done:
            return
        if operation.verb != "create":
            text = f"Operation {operation.name} can't be cancelled: only a create operation can."
            raise RpcError("UNIMPLEMENTED", text)
        cluster = self.named(operation.cluster)
        cluster.state, cluster.updated = "STOPPING", time.time()
        self.operations.end(operation, "CANCELLED", "The operation was cancelled.")
        self.store.save()
        self.start_reconcile(cluster)

    def delete(self, name: str, version: str) -> OperationRecord:
        """Delete a cluster and cancel its unfinished operations. Raises RpcError if it is already STOPPING."""
        cluster = self.named(name)
        if cluster.state == "STOPPING":
            raise errors.wrong_state(name, cluster.state, "deleted")
        cluster.state = "STOPPING"
        for operation in self.operations.open(name):
            self.operations.end(operation, "CANCELLED", "The persistent resource was deleted.")
        return self.start("delete", cluster, version)

    def named(self, name: str) -> ClusterRecord:
        """A cluster by name. Raises RpcError (NOT_FOUND)."""
        if name not in self.store.clusters:
            raise errors.not_found(name)
        return self.store.clusters[name]

    def start(self, verb: str, cluster: ClusterRecord, version: str) -> OperationRecord:
        """Record a new operation and start reconciling its cluster."""
        operation = self.operations.start(verb, cluster, version)
        self.start_reconcile(cluster)
        return operation

    def start_reconcile(self, cluster: ClusterRecord) -> None:
        """Start the cluster's task unless it is running."""
        if self.settled(cluster):
            self.tasks[cluster.name] = asyncio.create_task(self.reconcile(cluster))

    def settled(self, cluster: ClusterRecord) -> bool:
        """Whether the cluster's task has nothing left to do."""
        task = self.tasks.get(cluster.name)
        return task is None or task.done()

    def rescale(self, cluster: ClusterRecord, scaled: dict[str, list[int]]) -> None:
        """Scale the autoscaled pools to these nodes, unless the cluster has changed in the meantime."""
        if cluster.state != "RUNNING" or not self.settled(cluster):
            return
        log.info("%s: scaled from %s to %s", cluster.name, cluster.scaled, scaled)
        cluster.scaled, cluster.updated = scaled, time.time()
        self.store.save()
        self.tasks[cluster.name] = asyncio.create_task(self.adjust_nodes(cluster))

    async def adjust_nodes(self, cluster: ClusterRecord) -> None:
        """Adjust a running cluster's nodes without waiting until they are ready. Failures are retried later."""
        try:
            await self.provisioner.adjust(cluster, lambda: cluster.state == "RUNNING")
        except NodesFailed as fault:
            log.warning("%s: %s", cluster.name, fault)
        await self.changes.notify()
        if cluster.state != "RUNNING" or not self.idle(cluster):
            await self.reconcile(cluster)

    async def reconcile(self, cluster: ClusterRecord) -> None:
        """Adjust the nodes until they match the cluster's state and nothing is left to do."""
        while True:
            state = cluster.state
            await (
                self.delete_nodes(cluster)
                if state in ("STOPPING", "ERROR")
                else self.create_nodes_or_fail(cluster, state)
            )
            await self.changes.notify()
            current = self.store.clusters.get(cluster.name)
            if current is None or (current is cluster and cluster.state == state and self.idle(cluster)):
                return  # no await since the check above, so the state can't have changed
            cluster = current

    def idle(self, cluster: ClusterRecord) -> bool:
        """Whether no operation is open. An unchanged state is not enough: there may be a second update."""
        return not self.operations.open(cluster.name)

    async def create_nodes_or_fail(self, cluster: ClusterRecord, state: str) -> None:
        """Create the cluster's nodes; on failure, set its state to ERROR and record the reason."""
        try:
            address = await self.provisioner.create(cluster, lambda: cluster.state == state)
            if cluster.state == state and (state, cluster.head) != ("RUNNING", address):
                cluster.head = address
                self.set_state(cluster, "RUNNING")
        except NodesFailed as fault:
            if cluster.state == state:
                self.set_state(cluster, "ERROR", str(fault))
        except Exception:
            log.exception("%s", cluster.name)
            if cluster.state == state:
                self.set_state(cluster, "ERROR", "The lab's control plane failed; see its log for details.")

    async def delete_nodes(self, cluster: ClusterRecord) -> None:
        """Remove all nodes, and then the cluster if it is STOPPING."""
        await self.provisioner.delete(cluster)
        if cluster.state == "STOPPING":
            del self.store.clusters[cluster.name]
            self.operations.finish(cluster)
        else:
            self.operations.finish(cluster, cluster.error)

    def set_state(self, cluster: ClusterRecord, state: str, error: str = "") -> None:
        """Set and save a cluster's state."""
        log.info("%s: %s → %s %s", cluster.name, cluster.state, state, error)
        cluster.state, cluster.error, cluster.updated = state, error, time.time()
        if state == "RUNNING":
            cluster.started = cluster.started or cluster.updated
            self.operations.finish(cluster)
        self.store.save()

    async def wait_until_done(self, operation: OperationRecord, seconds: float) -> None:
        """Wait up to this many seconds for an operation to finish."""
        await self.changes.wait_for(lambda: operation.done, seconds)

    async def wait_until_provisioned(self, cluster: ClusterRecord, seconds: float) -> None:
        """Wait up to this many seconds for a cluster to leave PROVISIONING."""
        await self.changes.wait_for(lambda: cluster.state != "PROVISIONING", seconds)

    async def close(self) -> None:
        """Cancel the tasks. The next start resumes their work."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
