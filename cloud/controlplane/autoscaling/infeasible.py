"""Names the tasks and actors that can never run, in the log: they need more of a resource than any node has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cloud.controlplane.autoscaling.load import Bundle, Load
from cloud.controlplane.autoscaling.scaler import expected
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.lifecycle.store import ClusterRecord

log = logging.getLogger("raydock.vertex")

POLL = 30.0  # seconds between two looks at a cluster's demand
COUNTED = ("CPU", "GPU")  # resources whose amount on a new node is known exactly


@dataclass(slots=True)
class InfeasibleLog:
    """Logs each such demand once per cluster. `read` returns the load that the head at an address reports."""

    clusters: Clusters
    read: Callable[[str], Awaitable[Load | None]]
    logged: set[tuple[float, str]] = field(
        default_factory=set
    )  # by the cluster's creation time and the demand

    async def run(self) -> None:
        """Look at all running clusters, forever."""
        while True:
            await asyncio.sleep(POLL)
            for cluster in list(self.clusters.store.clusters.values()):
                await self.look(cluster)

    async def look(self, cluster: ClusterRecord) -> None:
        """Log what can never run on a cluster. A failure is logged and tried again."""
        if cluster.state != "RUNNING":
            return
        try:
            load = await self.read(cluster.head)
            nodes = [expected(cluster, pool) for pool in cluster.spec["resource_pools"]]
        except Exception:
            log.exception("The demand of %s is unknown", cluster.name)
            return
        for text in dict.fromkeys(infeasible(load, nodes)) if load else ():
            if (cluster.created, text) not in self.logged:
                self.logged.add((cluster.created, text))
                log.warning("%s: %s", cluster.name, text)


def infeasible(load: Load, nodes: Iterable[Bundle]) -> Iterator[str]:
    """A sentence for each pending bundle that fits neither an existing node nor a new one of any pool."""
    known = [*nodes, *(usage.total for usage in load.usage.values())]
    for bundle in (bundle for group in load.pending for bundle in group.bundles):
        if any(fits(bundle, node) for node in known):
            continue
        wanted = ", ".join(
            f"{amount:g} {name}" for name, amount in bundle.items() if name in COUNTED and amount
        )
        most = ", ".join(f"{max(node.get(name, 0) for node in known):g} {name}" for name in COUNTED)
        if wanted:
            yield (
                f"a task or actor needs {wanted}, and no node of this cluster has that; "
                f"the most that one has is {most}. It never runs. VERTEX_NODE_CPUS sets the most CPUs of a node."
            )


def fits(bundle: Bundle, node: Bundle) -> bool:
    """Whether a node has enough CPUs and GPUs. Other resources may come with another node."""
    return all(node.get(name, 0) >= bundle.get(name, 0) for name in COUNTED)
