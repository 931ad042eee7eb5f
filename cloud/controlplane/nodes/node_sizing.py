"""Derives a cluster's nodes from its persistent resource.

A worker offers one CPU per 16 vCPUs of its machine type, at least one; its container's memory limit is a twentieth of
the machine's memory, between 2 and 4 GiB. The head offers no CPUs, as on Vertex AI, and has 3 GiB. A worker has as many
GPUs as its machine, simulated. Each replica is one node. An autoscaled pool starts with its minimum, and the first pool
has one more node, the head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.controlplane.nodes.machine_types import MACHINES, MachineType
from cloud.controlplane.nodes.nodes import NodeKey, NodeSpec
from cloud.controlplane.validation.pools import accelerators, autoscaled, replicas

GIB = 2**30
HEAD_MEMORY = 3 * GIB
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClusterShape:
    """What a cluster's nodes derive from: its name, its persistent resource and its jobs' principal.

    `scaled` has the numbers of the nodes of each autoscaled pool.
    """

    name: str
    resource: Json
    principal: str = ""
    scaled: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def numbers(self, position: int) -> Sequence[int]:
        """The numbers of a pool's nodes."""
        pool = self.resource["resource_pools"][position]
        known = self.scaled.get(pool["id"])
        return initial_numbers(self.resource, position) if known is None else known

    def image(self, pool: Json) -> str:
        """The image that the request names for a pool."""
        ray = (self.resource.get("resource_runtime_spec") or {}).get("ray_spec") or {}
        return str((ray.get("resource_pool_images") or {}).get(pool["id"]) or ray.get("image_uri") or "")


def nodes(shape: ClusterShape) -> list[NodeSpec]:
    """A cluster's nodes, the head first."""
    found = []
    for position, pool in enumerate(shape.resource["resource_pools"]):
        for number in shape.numbers(position):
            key = NodeKey(shape.name, pool["id"], number)
            if position == 0 and number == 0:
                found.append(NodeSpec(key, "head", shape.principal, 0, 0, HEAD_MEMORY, shape.image(pool)))
            else:
                found.append(worker(key, pool, shape))
    return found


def initial_numbers(resource: Json, position: int) -> range:
    """The numbers of a new pool's nodes."""
    pool = resource["resource_pools"][position]
    head = position == 0 and autoscaled(pool) and pool.get("replica_count") is None
    return range(replicas(pool) + head)


def initial_scale(resource: Json) -> dict[str, list[int]]:
    """The numbers of the nodes that each autoscaled pool starts with."""
    pools = enumerate(resource["resource_pools"])
    return {pool["id"]: list(initial_numbers(resource, n)) for n, pool in pools if autoscaled(pool)}


def worker(key: NodeKey, pool: Json, shape: ClusterShape) -> NodeSpec:
    """A worker node of a pool."""
    machine, gpus = MACHINES[pool["machine_spec"]["machine_type"]], accelerators(pool)
    role = "gpu-worker" if gpus else "cpu-worker"
    return NodeSpec(key, role, shape.principal, cpus(machine), gpus, memory(machine), shape.image(pool))


def cpus(machine: MachineType) -> int:
    """The CPUs that a worker offers to Ray."""
    return max(1, machine.cpus // 16)


def memory(machine: MachineType) -> int:
    """A worker's memory limit in bytes."""
    return int(min(4.0, max(2.0, machine.memory / 20)) * GIB)
