"""The workers that a job ran on, to fill in what its RESULT does not report."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from anyio import fail_after

from raydock import machine
from raydock.errors import RaydockError
from raydock.rayapi.cluster_info import NodeResources, cores_of, head_summary, node_of, nodes_or_why
from raydock.rayapi.dashboard import Dashboard

from .fields import MAX_CPUS, PoolUse, Workers

TIMEOUT = 3.0  # seconds: the job has finished, and this only adds to its summary


async def read_workers(dashboard: Dashboard) -> Workers:
    """The cluster's workers; an empty value if it does not answer in time."""
    try:
        with fail_after(TIMEOUT):
            found, head = await asyncio.gather(nodes_or_why(dashboard), head_summary(dashboard))
    except (RaydockError, TimeoutError):
        return Workers()
    local = dashboard.target.name == "local"
    return workers_of([node_of(node) for node in found[0]], cores(cores_of(head)) if local else 0)


def cores(told: int) -> int:
    """The cores that the local cluster's nodes share: the container engine may have fewer than this machine."""
    here = machine.here().cpus
    return min(told, here) if told else here


def workers_of(nodes: Sequence[NodeResources], cores: int) -> Workers:
    """The workers' CPUs and pools."""
    workers = [node for node in nodes if not node.head]
    cpus = sum(int(node.resources.get("CPU", 0)) for node in workers)
    pools = Counter(node.pool or "workers" for node in workers)
    return Workers(min(cpus, MAX_CPUS), tuple(PoolUse(name, count) for name, count in pools.items()), cores)
