"""Checks on resource pools, and functions that read their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloud.controlplane.nodes import machine_types
from cloud.controlplane.validation.reservation import check_reservation

Json = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]

POOL_NODES = 1000
CLUSTER_NODES = 2000
HYPERDISK = "hyperdisk-balanced"
DISK_TYPES = ("pd-ssd", "pd-standard", HYPERDISK)
DISK_GB = (100, 64000)
TOP = "persistent_resource"
UNSUPPORTED = {
    "gpu_partition_size": "GPU partitions",
    "multihost_gpu_node_count": "machines of several hosts",
    "tpu_topology": "TPUs",
}


def check_pools(pools: Sequence[Json]) -> Problems:
    """Check each pool, whether their IDs are unique, and the number of nodes."""
    if not pools:
        yield f"{TOP}.resource_pools", "At least one resource pool is required."
    for number, pool in enumerate(pools):
        yield from check_pool(f"{TOP}.resource_pools[{number}]", pool)
    names = [pool["id"] for pool in pools if pool.get("id")]
    if len(set(names)) < len(names):
        yield f"{TOP}.resource_pools", "Resource pool IDs must be unique."
    if (total := sum(map(replicas, pools))) > CLUSTER_NODES:
        yield f"{TOP}.resource_pools", f"{total} nodes exceed the limit of {CLUSTER_NODES} per cluster."


def check_pool(where: str, pool: Json) -> Problems:
    """Check a pool's machine, disk and number of replicas; `where` is its field path."""
    spec = pool.get("machine_spec") or {}
    field, text = machine_types.check(spec.get("machine_type", ""), accelerator(pool), accelerators(pool))
    if field:
        yield f"{where}.machine_spec.{field}", text
    yield from check_reservation(f"{where}.machine_spec", spec)
    yield from check_unsupported(f"{where}.machine_spec", spec)
    yield from check_disk(f"{where}.disk_spec", pool.get("disk_spec") or {}, spec.get("machine_type", ""))
    count = replicas(pool)
    if count < 1 and not autoscaled(pool):
        yield f"{where}.replica_count", f"{count} is less than 1."
    if count > POOL_NODES:
        yield f"{where}.replica_count", f"{count} nodes exceed the limit of {POOL_NODES} per pool."


def check_unsupported(where: str, spec: Json) -> Problems:
    """Reject the fields that would change a node's GPUs, so that no job waits for devices that the lab lacks."""
    for field, what in UNSUPPORTED.items():
        if spec.get(field):
            yield f"{where}.{field}", f"The lab does not support {what}."


def check_disk(where: str, disk: Json, machine_type: str) -> Problems:
    """Check a pool's disk. The default is Hyperdisk for machines that do not support Persistent Disk (DiskSpec)."""
    kind, size = disk.get("boot_disk_type") or "", int(disk.get("boot_disk_size_gb") or 100)
    if kind and kind not in DISK_TYPES:
        yield f"{where}.boot_disk_type", f'"{kind}" is not one of {", ".join(DISK_TYPES)}.'
    elif kind and kind != HYPERDISK and machine_types.needs_hyperdisk(machine_type):
        yield f"{where}.boot_disk_type", f'Machine type "{machine_type}" requires {HYPERDISK}, not {kind}.'
    if not DISK_GB[0] <= size <= DISK_GB[1]:
        yield f"{where}.boot_disk_size_gb", f"{size} is not between {DISK_GB[0]} and {DISK_GB[1]}."


def check_scaling(pools: Sequence[Json]) -> Problems:
    """Check autoscaling bounds, which either all worker pools or none must have.

    The first pool counts as a worker pool if it has more nodes than the head. A pool that sets its number of replicas
    too must set one within the bounds (ResourcePool.AutoscalingSpec).
    """
    for number, pool in enumerate(pools):
        if not autoscaled(pool):
            continue
        low, high = bounds(pool)
        where = f"{TOP}.resource_pools[{number}].autoscaling_spec"
        if low < 0 or high <= low:
            yield f"{where}.max_replica_count", f"{high} must be greater than min_replica_count, {low}."
        if pool.get("replica_count") is not None and not low <= (count := replicas(pool)) <= high:
            said = f"{count} is not between min_replica_count, {low}, and max_replica_count, {high}."
            yield f"{TOP}.resource_pools[{number}].replica_count", said
        if high > POOL_NODES:
            yield f"{where}.max_replica_count", f"{high} nodes exceed the limit of {POOL_NODES} per pool."
    workers = [p for n, p in enumerate(pools) if n or autoscaled(p) or replicas(p) > 1]
    if len({autoscaled(pool) for pool in workers}) > 1:
        yield f"{TOP}.resource_pools", "autoscaling_spec must be set on every worker pool, or on none."


def autoscaled(pool: Json) -> bool:
    """Whether a pool has autoscaling bounds."""
    return pool.get("autoscaling_spec") is not None


def bounds(pool: Json) -> tuple[int, int]:
    """A pool's autoscaling bounds: minimum and maximum."""
    spec = pool["autoscaling_spec"]
    return int(spec.get("min_replica_count") or 0), int(spec.get("max_replica_count") or 0)


def replicas(pool: Json) -> int:
    """The number of nodes in a pool. An autoscaled pool starts with this number, by default its minimum."""
    if pool.get("replica_count") is not None:
        return int(pool["replica_count"])
    return bounds(pool)[0] if autoscaled(pool) else 0


def accelerator(pool: Json) -> str:
    """A pool's accelerator type; "" for none."""
    kind = (pool.get("machine_spec") or {}).get("accelerator_type") or ""
    return "" if kind == "ACCELERATOR_TYPE_UNSPECIFIED" else str(kind)


def accelerators(pool: Json) -> int:
    """The number of accelerators per node."""
    return int((pool.get("machine_spec") or {}).get("accelerator_count") or 0)
