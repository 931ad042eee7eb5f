"""Repairs the clusters' networks, because a new container may have replaced the lab's cloud."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.lifecycle.store import Store
from cloud.controlplane.nodes.nodes import Nodes

log = logging.getLogger("raydock.vertex")

LIVE_STATES = ("PROVISIONING", "RUNNING", "UPDATING")
POLL = 2.0  # seconds between checks


@dataclass(frozen=True, slots=True)
class NetworkRepair:
    """Repairs the networks of the clusters that have nodes."""

    store: Store
    nodes: Nodes

    async def run(self) -> None:
        """Repair the networks forever."""
        while True:
            live = [one.name for one in self.store.clusters.values() if one.state in LIVE_STATES]
            await asyncio.gather(*map(self.repair, live))
            await asyncio.sleep(POLL)

    async def repair(self, name: str) -> None:
        """Ensure that a cluster's network exists, and delete it again if the cluster is no longer live."""
        try:
            await self.nodes.ensure_network(name)
            found = self.store.clusters.get(name)
            if found is None or found.state not in LIVE_STATES:
                await self.nodes.delete_network(name)
        except NodesFailed as fault:
            log.info("%s: %s", name, fault)
