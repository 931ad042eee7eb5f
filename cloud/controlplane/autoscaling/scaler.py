"""The loop that scales clusters with autoscaled pools."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.controlplane.autoscaling import decide
from cloud.controlplane.autoscaling.decide import Demand, NodeState, PoolState
from cloud.controlplane.autoscaling.load import OBJECT_STORE, Bundle, Load
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.lifecycle.store import ClusterRecord
from cloud.controlplane.nodes import node_sizing
from cloud.controlplane.nodes.nodes import NodeKey, ObservedNode
from cloud.controlplane.validation.pools import autoscaled, bounds

log = logging.getLogger("raydock.vertex")

POLL = 5.0  # seconds between decisions, as in Ray's own autoscaler
STALE = 60.0  # seconds: an older report is ignored
# Ray offers about this share of a container's memory to tasks; used until a node in the pool has reported its own.
TASK_MEMORY = 0.6
Read = Callable[[str], Awaitable["Load | None"]]


@dataclass(slots=True)
class Autoscaler:
    """Scales every running cluster. `read` returns the load that the head at an address reports."""

    clusters: Clusters
    read: Read
    idle_timeout: float = decide.IDLE_TIMEOUT
    clock: Callable[[], float] = time.monotonic
    # Keyed by node and its cluster's creation time, because a name may be reused.
    idle_since: dict[tuple[float, NodeKey], float] = field(default_factory=dict)

    async def run(self) -> None:
        """Scale the clusters forever."""
        while True:
            await asyncio.sleep(POLL)
            await asyncio.gather(
                *(self.scale_or_log(one) for one in list(self.clusters.store.clusters.values()))
            )

    async def scale_or_log(self, cluster: ClusterRecord) -> None:
        """Scale a cluster. Logs a failure; the next round tries again."""
        try:
            await self.scale(cluster)
        except Exception:
            log.exception("could not scale %s", cluster.name)

    async def scale(self, cluster: ClusterRecord) -> None:
        """Make one decision for a cluster, and start adjusting its nodes if the decision changes them."""
        if not cluster.scaled or cluster.state != "RUNNING" or not self.clusters.settled(cluster):
            return
        load = await self.read(cluster.head)
        if load is None or time.time() - load.time > STALE:
            return
        seen = await self.clusters.provisioner.seen(cluster)
        self.forget_removed(cluster, seen)
        demand = Demand(load.pending, load.requested)
        pools, room = self.pools(cluster, load, seen), self.clusters.capacity.room()
        wanted = with_head(cluster, decide.numbers(pools, demand, room, self.idle_timeout))
        existing = {(key.pool, key.number) for key in seen if key.pool in wanted}
        if existing != {(pool, number) for pool, found in wanted.items() for number in found}:
            self.clusters.rescale(cluster, {pool: list(found) for pool, found in wanted.items()})

    def forget_removed(self, cluster: ClusterRecord, seen: Mapping[NodeKey, ObservedNode]) -> None:
        """Forget the idle times of removed nodes, because a new node may reuse a number."""
        gone = [one for one in self.idle_since if one[1].cluster == cluster.name and one[1] not in seen]
        for one in gone:
            del self.idle_since[one]

    def pools(
        self, cluster: ClusterRecord, load: Load, seen: Mapping[NodeKey, ObservedNode]
    ) -> list[PoolState]:
        """The state of a cluster's autoscaled pools."""
        found = []
        for position, pool in enumerate(cluster.spec["resource_pools"]):
            if autoscaled(pool):
                low, high = bounds(pool)
                keys = [
                    NodeKey(cluster.name, pool["id"], number) for number in worker_numbers(cluster, position)
                ]
                nodes = tuple(self.node((cluster.created, key), seen, load) for key in keys)
                totals = [load.usage[seen[key].address].total for key in keys if joined(key, seen, load)]
                resources = totals[0] if totals else expected(cluster, pool)
                found.append(PoolState(pool["id"], low, high, resources, nodes, int(position == 0)))
        return found

    def node(
        self, identity: tuple[float, NodeKey], seen: Mapping[NodeKey, ObservedNode], load: Load
    ) -> NodeState:
        """A node's state. Its idle time starts with the first decision that sees it idle."""
        key = identity[1]
        usage = load.usage[seen[key].address] if joined(key, seen, load) else None
        if usage is None or usage.busy:
            self.idle_since.pop(identity, None)
            return NodeState(key.number, usage.available if usage else None)
        idle = self.clock() - self.idle_since.setdefault(identity, self.clock())
        return NodeState(key.number, usage.available, idle)


def joined(key: NodeKey, seen: Mapping[NodeKey, ObservedNode], load: Load) -> bool:
    """Whether a node has joined Ray."""
    return key in seen and seen[key].address in load.usage


def worker_numbers(cluster: ClusterRecord, position: int) -> list[int]:
    """The numbers of a pool's nodes, excluding the head."""
    return [number for number in cluster.shape.numbers(position) if (position, number) != (0, 0)]


def with_head(cluster: ClusterRecord, wanted: Mapping[str, tuple[int, ...]]) -> Mapping[str, tuple[int, ...]]:
    """The numbers of each pool's nodes, including the head in the first pool."""
    first = cluster.spec["resource_pools"][0]["id"]
    return {pool: (0, *found) if pool == first else found for pool, found in wanted.items()}


def expected(cluster: ClusterRecord, pool: Mapping[str, Any]) -> Bundle:
    """The resources that a new node in a pool will have, as Ray reports them."""
    node = node_sizing.worker(NodeKey(cluster.name, pool["id"], 1), pool, cluster.shape)
    memory = node.memory * TASK_MEMORY
    found = {"CPU": node.cpus, "GPU": node.gpus, "memory": memory, OBJECT_STORE: node.memory * 0.25}
    return found | ({"simulatedGpu": node.gpus} if node.gpus else {})
