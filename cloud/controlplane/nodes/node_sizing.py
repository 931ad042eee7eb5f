"""Derives a cluster's nodes from its persistent resource.

A worker offers one CPU per 16 vCPUs of its machine type, at least one; its container's memory limit is a twentieth of
the machine's memory, between 2 and 4 GiB. The head offers no CPUs, as on Vertex AI, and has 3 GiB. A worker has as many
GPUs as its machine, simulated. Each replica is one node. The lab does not autoscale: an autoscaled pool has its
minimum, and the first pool has one more node, the head.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.controlplane.nodes.machine_types import MACHINES, MachineType
from cloud.controlplane.nodes.nodes import NodeKey, NodeSpec
from cloud.controlplane.validation import accelerators, autoscaled, replicas

GIB = 2**30
HEAD_MEMORY = 3 * GIB


def nodes(cluster: str, resource: Mapping[str, Any], principal: str) -> list[NodeSpec]:
    """A cluster's nodes, the head first."""
    found = []
    for first, pool in enumerate(resource["resource_pools"]):
        count = replicas(pool)
        if first == 0 and autoscaled(pool) and pool.get("replica_count") is None:
            count += 1
        for number in range(count):
            key = NodeKey(cluster, pool["id"], number)
            if first == 0 and number == 0:
                found.append(NodeSpec(key, "head", principal, 0, 0, HEAD_MEMORY))
            else:
                found.append(worker(key, pool, principal))
    return found


def worker(key: NodeKey, pool: Mapping[str, Any], principal: str) -> NodeSpec:
    """A worker node of a pool."""
    machine, gpus = MACHINES[pool["machine_spec"]["machine_type"]], accelerators(pool)
    role = "gpu-worker" if gpus else "cpu-worker"
    return NodeSpec(key, role, principal, cpus(machine), gpus, memory(machine))


def cpus(machine: MachineType) -> int:
    """The CPUs that a worker offers to Ray."""
    return max(1, machine.cpus // 16)


def memory(machine: MachineType) -> int:
    """A worker's memory limit in bytes."""
    return int(min(4.0, max(2.0, machine.memory / 20)) * GIB)
