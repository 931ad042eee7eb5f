"""Makes a cluster's nodes match its record. Independent of operations and states."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.lifecycle.store import ClusterRecord
from cloud.controlplane.nodes import node_sizing
from cloud.controlplane.nodes.nodes import NodeKey, Nodes, ObservedNode

log = logging.getLogger("raydock.vertex")
Unchanged = Callable[[], bool]  # whether the work is still needed


@dataclass(frozen=True, slots=True)
class ClusterProvisioner:
    """Creates and deletes nodes. `ready` is the deadline, in seconds, for a cluster's nodes to become ready."""

    nodes: Nodes
    ready: float
    poll: float

    async def seen(self, cluster: ClusterRecord) -> dict[NodeKey, ObservedNode]:
        """The cluster's existing nodes."""
        return {one.key: one for one in await self.nodes.list() if one.key.cluster == cluster.name}

    async def create(self, cluster: ClusterRecord, unchanged: Unchanged) -> str:
        """Create missing nodes, remove surplus ones and wait until all are ready.

        Returns the head's address, or "" if the work is no longer needed. Raises NodesFailed.
        """
        await self.nodes.ensure_network(cluster.name)
        wanted = await self.adjust(cluster, unchanged)
        await self.wait(cluster, unchanged, set(wanted))
        return (await self.seen(cluster))[next(iter(wanted))].address if unchanged() else ""

    async def adjust(self, cluster: ClusterRecord, unchanged: Unchanged) -> list[NodeKey]:
        """Create missing nodes and remove surplus ones. Returns all wanted nodes, head first. Raises NodesFailed."""
        wanted = {one.key: one for one in node_sizing.nodes(cluster.shape)}
        seen = await self.seen(cluster)
        if cluster.started and next(iter(wanted)) not in seen:
            raise NodesFailed("The head node was lost, and with it the cluster's state.")
        for key, node in wanted.items():
            if not unchanged():
                return list(wanted)
            if key not in seen or seen[key].state == "made":
                await self.nodes.create(node)
        await self.nodes.remove([key for key in seen if key not in wanted])
        return list(wanted)

    async def delete(self, cluster: ClusterRecord) -> None:
        """Remove all nodes and the network, retrying until that succeeds."""
        while True:
            try:
                await self.nodes.remove(list(await self.seen(cluster)))
                await self.nodes.delete_network(cluster.name)
                return
            except NodesFailed as fault:
                log.warning("%s: %s; retrying", cluster.name, fault)
                await asyncio.sleep(self.poll)

    async def wait(self, cluster: ClusterRecord, unchanged: Unchanged, wanted: set[NodeKey]) -> None:
        """Wait until all nodes are ready.

        Raises NodesFailed if a node fails, or after the deadline. The message lists the failed or unready nodes.
        """
        deadline = time.monotonic() + self.ready
        while unchanged():
            seen = await self.seen(cluster)
            if failed := [one for key, one in seen.items() if key in wanted and one.state == "failed"]:
                raise NodesFailed("; ".join(f"Node {label(one.key)} failed: {one.why}" for one in failed))
            late = sorted(label(key) for key in wanted if key not in seen or seen[key].state != "ready")
            if not late:
                return
            if time.monotonic() > deadline:
                raise NodesFailed(f"Nodes not ready within {self.ready:g} s: {', '.join(late)}.")
            await asyncio.sleep(self.poll)


def label(key: NodeKey) -> str:
    """A node's name in messages: POOL/NUMBER."""
    return f"{key.pool}/{key.number}"
