"""Derives a cluster's nodes from its persistent resource.

A worker offers the CPUs of its machine type, as on Vertex AI, but at most VERTEX_NODE_CPUS (by default this machine's)
and at most as many as its memory has room for. Its container's memory limit is a twentieth of the machine's memory,
between 2 and 4 GiB. The head offers no CPUs, as on Vertex AI, and has 3 GiB. A worker simulates as many GPUs as its
machine has. Each replica is one node. An autoscaled pool starts with its minimum, and the first pool has one extra
node: the head.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.controlplane.nodes.machine_types import MACHINES, MachineType
from cloud.controlplane.nodes.nodes import NodeKey, NodeSpec
from cloud.controlplane.validation.pools import accelerators, autoscaled, replicas
from iam.errors import IamError
from raydock import sizing
from raydock.machine import here

GIB = 2**30
HEAD_MEMORY = 3 * GIB
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClusterShape:
    """The input from which a cluster's nodes are derived: its name, persistent resource and job principal.

    `scaled` maps each autoscaled pool to its node numbers.
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
        """The image requested for a pool."""
        ray = (self.resource.get("resource_runtime_spec") or {}).get("ray_spec") or {}
        return str((ray.get("resource_pool_images") or {}).get(pool["id"]) or ray.get("image_uri") or "")


def nodes(shape: ClusterShape) -> list[NodeSpec]:
    """A cluster's nodes, head first."""
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
    """The node numbers that each autoscaled pool starts with."""
    pools = enumerate(resource["resource_pools"])
    return {pool["id"]: list(initial_numbers(resource, n)) for n, pool in pools if autoscaled(pool)}


def worker(key: NodeKey, pool: Json, shape: ClusterShape) -> NodeSpec:
    """A worker node in a pool."""
    machine, gpus = MACHINES[pool["machine_spec"]["machine_type"]], accelerators(pool)
    role = "gpu-worker" if gpus else "cpu-worker"
    return NodeSpec(key, role, shape.principal, cpus(machine), gpus, memory(machine), shape.image(pool))


def cpus(machine: MachineType) -> int:
    """The CPUs that a worker offers to Ray."""
    held = (memory(machine) - sizing.NODE) // sizing.CPU[0]
    return max(1, min(machine.cpus, most_cpus(os.environ), held))


def most_cpus(environ: Mapping[str, str]) -> int:
    """The most CPUs of a worker: VERTEX_NODE_CPUS, by default this machine's. Raises IamError if it is invalid."""
    text = environ.get("VERTEX_NODE_CPUS") or str(here().cpus)
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise IamError(f"VERTEX_NODE_CPUS is {text!r}.", "Set it to a number of CPUs, or unset it")
    return int(text)


def memory(machine: MachineType) -> int:
    """A worker's memory limit in bytes."""
    return int(min(4.0, max(2.0, machine.memory / 20)) * GIB)
