"""The life of clusters.

PROVISIONING → RUNNING or ERROR, RUNNING → UPDATING → RUNNING, any → STOPPING → gone.

Each step is written down before it is taken, so a control plane that was killed drives on what it had begun. One
task a cluster makes its nodes as they should be (`settle`); whoever wants something else writes it down and lets
that task see it.
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

POLL = 0.5  # seconds between two looks at the nodes
LIVING = ("PROVISIONING", "RUNNING", "UPDATING")
ATTEND = 2.0  # seconds between two looks at the networks


@dataclass(slots=True)
class Clusters:
    """All of them. `ready` is how many seconds the nodes of a cluster have to become ready."""

    store: Store
    nodes: Nodes
    ready: float = 180
    poll: float = POLL
    room: int = 0  # nodes that there may be; 0 before `resume`, for no limit
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    serial: Any = field(default_factory=lambda: itertools.count(time.time_ns() // 1000))

    async def resume(self) -> None:
        """After a start: takes up what was begun, and removes nodes that belong to no cluster."""
        seen = await self.nodes.list()
        orphans = [one.key for one in seen if one.key.cluster not in self.store.clusters]
        if orphans:
            log.warning("removing %d nodes of clusters that nobody remembers", len(orphans))
            await self.nodes.remove(orphans)
        for name in set(await self.nodes.opened()) - set(self.store.clusters):
            await self.nodes.close(name)
        self.room = await self.nodes.room()
        self.tasks[""] = asyncio.create_task(self.attend())
        for cluster in self.store.clusters.values():
            self.drive(cluster)

    async def attend(self) -> None:
        """Keeps the networks as they should be: the lab's cloud may be another container by now."""
        while True:
            living = [one.name for one in self.store.clusters.values() if one.state in LIVING]
            await asyncio.gather(*map(self.fix, living))
            await asyncio.sleep(ATTEND)

    async def fix(self, name: str) -> None:
        """Opens a cluster's network, and closes it again where the cluster has ended meanwhile."""
        try:
            await self.nodes.open(name)
            found = self.store.clusters.get(name)
            if found is None or found.state not in LIVING:
                await self.nodes.close(name)
        except NodesFailed as fault:
            log.info("%s: %s", name, fault)

    def require_room(self, name: str, spec: dict[str, Any]) -> None:
        """Refused where this machine does not hold so many nodes."""
        others = {one.name: one.spec for one in self.store.clusters.values()}
        total = sum(len(node_sizing.nodes(*one, "")) for one in {**others, name: spec}.items())
        if self.room and total > self.room:
            raise errors.no_room(total, self.room)

    def create(
        self, name: str, spec: dict[str, Any], project: str, principal: str, version: str
    ) -> OperationRecord:
        """A new cluster; Refused where there is one of that name, or no room."""
        if name in self.store.clusters:
            raise errors.exists(name)
        self.require_room(name, spec)
        host = hosts.free(name, {cluster.host for cluster in self.store.clusters.values()})
        now = time.time()
        cluster = ClusterRecord(name, spec, project, principal, host, now, now)
        self.store.clusters[name] = cluster
        return self.begin("create", cluster, version)

    def update(self, name: str, counts: list[int], version: str) -> OperationRecord:
        """Other numbers of replicas, a pool each; only of a cluster that runs."""
        cluster = self.named(name)
        if cluster.state != "RUNNING":
            raise errors.not_now(name, cluster.state, "updated")
        spec = copy.deepcopy(cluster.spec)
        for pool, count in zip(spec["resource_pools"], counts, strict=True):
            if pool.get("autoscaling_spec") is None:
                pool["replica_count"] = count
        self.require_room(name, spec)
        cluster.spec, cluster.state = spec, "UPDATING"
        return self.begin("update", cluster, version)

    def cancel(self, operation: OperationRecord) -> None:
        """Ends a creation, and with it the cluster; nothing where it is done. Refused for the others."""
        if operation.done:
            return
        if operation.verb != "create":
            said = f"Operation {operation.name} can't be cancelled: only a creation can."
            raise RpcError("UNIMPLEMENTED", said)
        cluster = self.named(operation.cluster)
        cluster.state, cluster.updated = "STOPPING", time.time()
        self.end(operation, "CANCELLED", "The operation was cancelled.")
        self.store.save()
        self.drive(cluster)

    def delete(self, name: str, version: str) -> OperationRecord:
        cluster = self.named(name)
        if cluster.state == "STOPPING":
            raise errors.not_now(name, cluster.state, "deleted")
        cluster.state = "STOPPING"
        for operation in self.open_operations(name):
            self.end(operation, "CANCELLED", "The persistent resource was deleted.")
        return self.begin("delete", cluster, version)

    def named(self, name: str) -> ClusterRecord:
        if name not in self.store.clusters:
            raise errors.not_found(name)
        return self.store.clusters[name]

    def begin(self, verb: str, cluster: ClusterRecord, version: str) -> OperationRecord:
        now = cluster.updated = time.time()
        name = f"{cluster.name}/operations/{next(self.serial)}"
        operation = OperationRecord(name, verb, cluster.name, version, now, now)
        self.store.operations[name] = operation
        self.store.save()
        self.drive(cluster)
        return operation

    def drive(self, cluster: ClusterRecord) -> None:
        task = self.tasks.get(cluster.name)
        if task is None or task.done():
            self.tasks[cluster.name] = asyncio.create_task(self.settle(cluster))

    async def settle(self, cluster: ClusterRecord) -> None:
        """Until the nodes are as the cluster's state wants them. It ends with nothing left to do."""
        while True:
            state = cluster.state
            await (
                self.clear(cluster) if state in ("STOPPING", "ERROR") else self.bring_or_fail(cluster, state)
            )
            await self.notify()
            current = self.store.clusters.get(cluster.name)
            if current is None or (current is cluster and cluster.state == state and self.idle(cluster)):
                return  # nothing is awaited between the look and the end, so no change can slip in
            cluster = current

    def idle(self, cluster: ClusterRecord) -> bool:
        """Whether nothing is asked for. The same state may be another request's: updated, and updated again."""
        return not self.open_operations(cluster.name)

    async def bring_or_fail(self, cluster: ClusterRecord, state: str) -> None:
        """As `bring`; what fails puts the cluster into ERROR, with its reason."""
        try:
            await self.bring(cluster, state)
        except NodesFailed as fault:
            if cluster.state == state:
                self.turn(cluster, "ERROR", str(fault))
        except Exception:
            log.exception("%s", cluster.name)
            if cluster.state == state:
                self.turn(cluster, "ERROR", "The lab's control plane failed; its log says more.")

    async def clear(self, cluster: ClusterRecord) -> None:
        """Removes every node, however often it takes; then the cluster, where it is to be deleted."""
        while True:
            try:
                await self.nodes.remove(list(await self.seen(cluster)))
                await self.nodes.close(cluster.name)
                break
            except NodesFailed as fault:
                log.warning("%s: %s; trying again", cluster.name, fault)
                await asyncio.sleep(self.poll)
        if cluster.state == "STOPPING":
            del self.store.clusters[cluster.name]
            self.finish(cluster)
        else:
            self.finish(cluster, cluster.error)

    async def bring(self, cluster: ClusterRecord, state: str) -> None:
        """Makes what is missing, removes what is too much, and waits until all are ready."""
        wanted = {one.key: one for one in node_sizing.nodes(cluster.name, cluster.spec, cluster.principal)}
        seen = await self.seen(cluster)
        head = next(iter(wanted))
        await self.nodes.open(cluster.name)
        if cluster.started and head not in seen:
            raise NodesFailed("The head node was lost, and with it what the cluster knew.")
        for key, node in wanted.items():
            if cluster.state != state:
                return
            if key not in seen or seen[key].state == "made":
                await self.nodes.make(node)
        await self.nodes.remove([key for key in seen if key not in wanted])
        await self.wait(cluster, state, set(wanted))
        address = (await self.seen(cluster))[head].address
        if cluster.state == state and (state, cluster.head) != ("RUNNING", address):
            cluster.head = address
            self.turn(cluster, "RUNNING")

    async def wait(self, cluster: ClusterRecord, state: str, wanted: set[NodeKey]) -> None:
        """Until all are ready. NodesFailed where one failed, or after the deadline, with what was seen last."""
        deadline = time.monotonic() + self.ready
        while cluster.state == state:
            seen = await self.seen(cluster)
            if failed := [one for key, one in seen.items() if key in wanted and one.state == "failed"]:
                raise NodesFailed("; ".join(f"Node {label(one.key)} failed: {one.why}" for one in failed))
            late = sorted(label(key) for key in wanted if key not in seen or seen[key].state != "ready")
            if not late:
                return
            if time.monotonic() > deadline:
                raise NodesFailed(f"These were not ready within {self.ready:g} s: {', '.join(late)}.")
            await asyncio.sleep(self.poll)

    async def seen(self, cluster: ClusterRecord) -> dict[NodeKey, ObservedNode]:
        return {one.key: one for one in await self.nodes.list() if one.key.cluster == cluster.name}

    def turn(self, cluster: ClusterRecord, state: str, error: str = "") -> None:
        """A new state, written down."""
        log.info("%s: %s → %s %s", cluster.name, cluster.state, state, error)
        cluster.state, cluster.error, cluster.updated = state, error, time.time()
        if state == "RUNNING":
            cluster.started = cluster.started or cluster.updated
            self.finish(cluster)
        self.store.save()

    def finish(self, cluster: ClusterRecord, error: str = "") -> None:
        """Ends what was asked for the cluster."""
        for operation in self.open_operations(cluster.name):
            operation.result = resource(cluster)
            self.end(operation, "INTERNAL" if error else "", error)
        self.store.save()

    def open_operations(self, name: str) -> list[OperationRecord]:
        return [one for one in self.store.operations.values() if one.cluster == name and not one.done]

    def end(self, operation: OperationRecord, code: str, error: str) -> None:
        operation.done, operation.updated = True, time.time()
        operation.code, operation.error = code, error

    async def notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def finished(self, operation: OperationRecord, seconds: float) -> None:
        """Until it is done, or so many seconds have passed."""
        await self.until(lambda: operation.done, seconds)

    async def provisioned(self, cluster: ClusterRecord, seconds: float) -> None:
        await self.until(lambda: cluster.state != "PROVISIONING", seconds)

    async def until(self, so: Callable[[], bool], seconds: float) -> None:
        async def wait() -> None:
            async with self.changed:
                await self.changed.wait_for(so)

        try:
            await asyncio.wait_for(wait(), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            return

    async def close(self) -> None:
        """Stops driving; what was begun is taken up at the next start."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


def label(key: NodeKey) -> str:
    return f"{key.pool}/{key.number}"
