"""The lifecycle of clusters.

PROVISIONING → RUNNING or ERROR, RUNNING → UPDATING → RUNNING, any → STOPPING → deleted.

The desired state is saved before each step, so a restarted control plane resumes what it had started. One task per
cluster reconciles its nodes with that state (`reconcile`); requests only change the state and wake the task.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cloud.controlplane import errors
from cloud.controlplane.endpoints import hosts
from cloud.controlplane.errors import NodesFailed, RpcError
from cloud.controlplane.nodes import node_sizing
from cloud.controlplane.nodes.nodes import NodeKey, Nodes, ObservedNode
from cloud.controlplane.resource import resource
from cloud.controlplane.store import ClusterRecord, OperationRecord, Store

log = logging.getLogger("raydock.vertex")

POLL = 0.5  # seconds between polls of the nodes
LIVE_STATES = ("PROVISIONING", "RUNNING", "UPDATING")
NETWORK_POLL = 2.0  # seconds between checks of the networks


@dataclass(slots=True)
class Clusters:
    """All clusters. `ready` is the deadline, in seconds, for a cluster's nodes to become ready."""

    store: Store
    nodes: Nodes
    ready: float = 180
    poll: float = POLL
    capacity: int = 0  # maximum number of nodes; 0: no limit, until `resume` sets it
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    serial: Any = field(default_factory=lambda: itertools.count(time.time_ns() // 1000))

    async def resume(self) -> None:
        """Resume unfinished work after a start, and remove the nodes and networks of unknown clusters."""
        seen = await self.nodes.list()
        orphans = [one.key for one in seen if one.key.cluster not in self.store.clusters]
        if orphans:
            log.warning("removing %d nodes of unknown clusters", len(orphans))
            await self.nodes.remove(orphans)
        for name in set(await self.nodes.networked()) - set(self.store.clusters):
            await self.nodes.delete_network(name)
        self.capacity = await self.nodes.capacity()
        self.tasks[""] = asyncio.create_task(self.maintain_networks())
        for cluster in self.store.clusters.values():
            self.start_reconcile(cluster)

    async def maintain_networks(self) -> None:
        """Repair the clusters' networks: the lab's cloud may have been replaced by a new container."""
        while True:
            live = [one.name for one in self.store.clusters.values() if one.state in LIVE_STATES]
            await asyncio.gather(*map(self.maintain_network, live))
            await asyncio.sleep(NETWORK_POLL)

    async def maintain_network(self, name: str) -> None:
        """Ensure that a cluster's network exists, and delete it again if the cluster ended in the meantime."""
        try:
            await self.nodes.ensure_network(name)
            found = self.store.clusters.get(name)
            if found is None or found.state not in LIVE_STATES:
                await self.nodes.delete_network(name)
        except NodesFailed as fault:
            log.info("%s: %s", name, fault)

    def require_capacity(self, name: str, spec: dict[str, Any]) -> None:
        """Raise RpcError (RESOURCE_EXHAUSTED) if the nodes do not fit on this machine."""
        others = {one.name: one.spec for one in self.store.clusters.values()}
        total = sum(len(node_sizing.nodes(*one, "")) for one in {**others, name: spec}.items())
        if self.capacity and total > self.capacity:
            raise errors.quota_exceeded(total, self.capacity)

    def create(
        self, name: str, spec: dict[str, Any], project: str, principal: str, version: str
    ) -> OperationRecord:
        """Create a cluster. Raises RpcError if the name is taken or the capacity is exceeded."""
        if name in self.store.clusters:
            raise errors.exists(name)
        self.require_capacity(name, spec)
        host = hosts.allocate(name, {cluster.host for cluster in self.store.clusters.values()})
        now = time.time()
        cluster = ClusterRecord(name, spec, project, principal, host, now, now)
        self.store.clusters[name] = cluster
        return self.start_operation("create", cluster, version)

    def update(self, name: str, counts: list[int], version: str) -> OperationRecord:
        """Change the number of replicas of each pool. Raises RpcError unless the cluster is RUNNING."""
        cluster = self.named(name)
        if cluster.state != "RUNNING":
            raise errors.wrong_state(name, cluster.state, "updated")
        spec = copy.deepcopy(cluster.spec)
        for pool, count in zip(spec["resource_pools"], counts, strict=True):
            if pool.get("autoscaling_spec") is None:
                pool["replica_count"] = count
        self.require_capacity(name, spec)
        cluster.spec, cluster.state = spec, "UPDATING"
        return self.start_operation("update", cluster, version)

    def cancel(self, operation: OperationRecord) -> None:
        """Cancel a creation and delete the cluster. Does nothing if the operation is done.

        Raises RpcError (UNIMPLEMENTED) for any other kind of operation.
        """
        if operation.done:
            return
        if operation.verb != "create":
            text = f"Operation {operation.name} can't be cancelled: only a creation can."
            raise RpcError("UNIMPLEMENTED", text)
        cluster = self.named(operation.cluster)
        cluster.state, cluster.updated = "STOPPING", time.time()
        self.end(operation, "CANCELLED", "The operation was cancelled.")
        self.store.save()
        self.start_reconcile(cluster)

    def delete(self, name: str, version: str) -> OperationRecord:
        """Delete a cluster and cancel its unfinished operations. Raises RpcError if it is already STOPPING."""
        cluster = self.named(name)
        if cluster.state == "STOPPING":
            raise errors.wrong_state(name, cluster.state, "deleted")
        cluster.state = "STOPPING"
        for operation in self.open_operations(name):
            self.end(operation, "CANCELLED", "The persistent resource was deleted.")
        return self.start_operation("delete", cluster, version)

    def named(self, name: str) -> ClusterRecord:
        """A cluster by name. Raises RpcError (NOT_FOUND)."""
        if name not in self.store.clusters:
            raise errors.not_found(name)
        return self.store.clusters[name]

    def start_operation(self, verb: str, cluster: ClusterRecord, version: str) -> OperationRecord:
        """Record a new operation and start reconciling its cluster."""
        now = cluster.updated = time.time()
        name = f"{cluster.name}/operations/{next(self.serial)}"
        operation = OperationRecord(name, verb, cluster.name, version, now, now)
        self.store.operations[name] = operation
        self.store.save()
        self.start_reconcile(cluster)
        return operation

    def start_reconcile(self, cluster: ClusterRecord) -> None:
        """Start the cluster's task unless it is running."""
        task = self.tasks.get(cluster.name)
        if task is None or task.done():
            self.tasks[cluster.name] = asyncio.create_task(self.reconcile(cluster))

    async def reconcile(self, cluster: ClusterRecord) -> None:
        """Adjust the nodes until they match the cluster's state and nothing is left to do."""
        while True:
            state = cluster.state
            await (
                self.delete_nodes(cluster)
                if state in ("STOPPING", "ERROR")
                else self.create_nodes_or_fail(cluster, state)
            )
            await self.notify()
            current = self.store.clusters.get(cluster.name)
            if current is None or (current is cluster and cluster.state == state and self.idle(cluster)):
                return  # no await since the check above, so the state can't have changed
            cluster = current

    def idle(self, cluster: ClusterRecord) -> bool:
        """Whether no operation is open. An unchanged state is not enough: there may be a second update."""
        return not self.open_operations(cluster.name)

    async def create_nodes_or_fail(self, cluster: ClusterRecord, state: str) -> None:
        """Like `create_nodes`, but puts the cluster into ERROR, with the reason, on failure."""
        try:
            await self.create_nodes(cluster, state)
        except NodesFailed as fault:
            if cluster.state == state:
                self.set_state(cluster, "ERROR", str(fault))
        except Exception:
            log.exception("%s", cluster.name)
            if cluster.state == state:
                self.set_state(cluster, "ERROR", "The lab's control plane failed; see its log for details.")

    async def delete_nodes(self, cluster: ClusterRecord) -> None:
        """Remove all nodes, retrying until that succeeds, and then the cluster if it is STOPPING."""
        while True:
            try:
                await self.nodes.remove(list(await self.seen(cluster)))
                await self.nodes.delete_network(cluster.name)
                break
            except NodesFailed as fault:
                log.warning("%s: %s; retrying", cluster.name, fault)
                await asyncio.sleep(self.poll)
        if cluster.state == "STOPPING":
            del self.store.clusters[cluster.name]
            self.finish(cluster)
        else:
            self.finish(cluster, cluster.error)

    async def create_nodes(self, cluster: ClusterRecord, state: str) -> None:
        """Create missing nodes, remove surplus ones and wait until all are ready. Raises NodesFailed."""
        wanted = {one.key: one for one in node_sizing.nodes(cluster.name, cluster.spec, cluster.principal)}
        seen = await self.seen(cluster)
        head = next(iter(wanted))
        await self.nodes.ensure_network(cluster.name)
        if cluster.started and head not in seen:
            raise NodesFailed("The head node was lost, and with it the cluster's state.")
        for key, node in wanted.items():
            if cluster.state != state:
                return
            if key not in seen or seen[key].state == "made":
                await self.nodes.create(node)
        await self.nodes.remove([key for key in seen if key not in wanted])
        await self.wait(cluster, state, set(wanted))
        address = (await self.seen(cluster))[head].address
        if cluster.state == state and (state, cluster.head) != ("RUNNING", address):
            cluster.head = address
            self.set_state(cluster, "RUNNING")

    async def wait(self, cluster: ClusterRecord, state: str, wanted: set[NodeKey]) -> None:
        """Wait until all nodes are ready.

        Raises NodesFailed if one failed, or after the deadline, with the nodes that are not ready.
        """
        deadline = time.monotonic() + self.ready
        while cluster.state == state:
            seen = await self.seen(cluster)
            if failed := [one for key, one in seen.items() if key in wanted and one.state == "failed"]:
                raise NodesFailed("; ".join(f"Node {label(one.key)} failed: {one.why}" for one in failed))
            late = sorted(label(key) for key in wanted if key not in seen or seen[key].state != "ready")
            if not late:
                return
            if time.monotonic() > deadline:
                raise NodesFailed(f"Nodes not ready within {self.ready:g} s: {', '.join(late)}.")
            await asyncio.sleep(self.poll)

    async def seen(self, cluster: ClusterRecord) -> dict[NodeKey, ObservedNode]:
        """The cluster's existing nodes."""
        return {one.key: one for one in await self.nodes.list() if one.key.cluster == cluster.name}

    def set_state(self, cluster: ClusterRecord, state: str, error: str = "") -> None:
        """Set and save a cluster's state."""
        log.info("%s: %s → %s %s", cluster.name, cluster.state, state, error)
        cluster.state, cluster.error, cluster.updated = state, error, time.time()
        if state == "RUNNING":
            cluster.started = cluster.started or cluster.updated
            self.finish(cluster)
        self.store.save()

    def finish(self, cluster: ClusterRecord, error: str = "") -> None:
        """Complete the cluster's open operations, with an error if one is given."""
        for operation in self.open_operations(cluster.name):
            operation.result = resource(cluster)
            self.end(operation, "INTERNAL" if error else "", error)
        self.store.save()

    def open_operations(self, name: str) -> list[OperationRecord]:
        """A cluster's unfinished operations."""
        return [one for one in self.store.operations.values() if one.cluster == name and not one.done]

    def end(self, operation: OperationRecord, code: str, error: str) -> None:
        """Mark an operation as done; `code` is the name of its error's status code, or ""."""
        operation.done, operation.updated = True, time.time()
        operation.code, operation.error = code, error

    async def notify(self) -> None:
        """Wake the callers that wait for a change."""
        async with self.changed:
            self.changed.notify_all()

    async def wait_until_done(self, operation: OperationRecord, seconds: float) -> None:
        """Wait until an operation is done, for at most this many seconds."""
        await self.wait_for(lambda: operation.done, seconds)

    async def wait_until_provisioned(self, cluster: ClusterRecord, seconds: float) -> None:
        """Wait until a cluster leaves PROVISIONING, for at most this many seconds."""
        await self.wait_for(lambda: cluster.state != "PROVISIONING", seconds)

    async def wait_for(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for a condition, checked after each change, for at most this many seconds."""

        async def wait() -> None:
            async with self.changed:
                await self.changed.wait_for(condition)

        try:
            await asyncio.wait_for(wait(), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            return

    async def close(self) -> None:
        """Cancel the tasks. The next start resumes their work."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


def label(key: NodeKey) -> str:
    """A node's name in messages: POOL/NUMBER."""
    return f"{key.pool}/{key.number}"
