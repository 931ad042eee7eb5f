"""Validates requests to create or resize a cluster, and reports all problems with their fields.

A persistent resource is the JSON of its message, with the proto's field names. The limits come from the SDK
(vertex_ray.util.resources, vertex_ray.cluster_init) and the message's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloud.controlplane.names import ID
from cloud.controlplane.nodes import images, machine_types
from raydock.gcp import labels

Json = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]

POOL_NODES = 1000
CLUSTER_NODES = 2000
DISK_TYPES = ("pd-ssd", "pd-standard", "hyperdisk-balanced")
DISK_GB = (100, 64000)
TOP = "persistent_resource"
NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")


def problems(identifier: str, resource: Json) -> list[tuple[str, str]]:
    """The problems of a request to create a cluster, as (field, message)."""
    pools = resource.get("resource_pools") or ()
    return [
        *check_id(identifier),
        *check_pools(pools),
        *check_scaling(pools),
        *check_runtime(resource.get("resource_runtime_spec") or {}, pools),
        *check_metadata(resource),
    ]


def check_id(identifier: str) -> Problems:
    """Check the cluster's id."""
    if not ID.fullmatch(identifier):
        yield "persistent_resource_id", f'"{identifier}" does not match {ID.pattern} (1 to 63 characters).'


def check_pools(pools: Sequence[Json]) -> Problems:
    """Check each pool, the uniqueness of their ids and the number of nodes."""
    if not pools:
        yield f"{TOP}.resource_pools", "At least one resource pool is required."
    for number, pool in enumerate(pools):
        yield from check_pool(f"{TOP}.resource_pools[{number}]", pool)
    names = [pool["id"] for pool in pools if pool.get("id")]
    if len(set(names)) < len(names):
        yield f"{TOP}.resource_pools", "The ids of resource pools must be unique."
    if (total := sum(map(replicas, pools))) > CLUSTER_NODES:
        yield f"{TOP}.resource_pools", f"{total} nodes exceed the limit of {CLUSTER_NODES} per cluster."


def check_pool(where: str, pool: Json) -> Problems:
    """Check a pool's machine, disk and number of replicas; `where` is its field path."""
    spec = pool.get("machine_spec") or {}
    field, text = machine_types.check(spec.get("machine_type", ""), accelerator(pool), accelerators(pool))
    if field:
        yield f"{where}.machine_spec.{field}", text
    disk = pool.get("disk_spec") or {}
    kind, size = disk.get("boot_disk_type") or "pd-ssd", int(disk.get("boot_disk_size_gb") or 100)
    if kind not in DISK_TYPES:
        yield f"{where}.disk_spec.boot_disk_type", f'"{kind}" is not one of {", ".join(DISK_TYPES)}.'
    if not DISK_GB[0] <= size <= DISK_GB[1]:
        yield f"{where}.disk_spec.boot_disk_size_gb", f"{size} is not between {DISK_GB[0]} and {DISK_GB[1]}."
    count = replicas(pool)
    if count < 1 and not autoscaled(pool):
        yield f"{where}.replica_count", f"{count} is less than 1."
    if count > POOL_NODES:
        yield f"{where}.replica_count", f"{count} nodes exceed the limit of {POOL_NODES} per pool."


def check_scaling(pools: Sequence[Json]) -> Problems:
    """Check autoscaling bounds, which all worker pools or none must have.

    The first pool counts as a worker pool if it has more nodes than the head.
    """
    for number, pool in enumerate(pools):
        if not autoscaled(pool):
            continue
        low, high = bounds(pool)
        where = f"{TOP}.resource_pools[{number}].autoscaling_spec"
        if low < 0 or high <= low:
            yield f"{where}.max_replica_count", f"{high} must be greater than min_replica_count, {low}."
        if high > POOL_NODES:
            yield f"{where}.max_replica_count", f"{high} nodes exceed the limit of {POOL_NODES} per pool."
    workers = [p for n, p in enumerate(pools) if n or autoscaled(p) or replicas(p) > 1]
    if len({autoscaled(pool) for pool in workers}) > 1:
        yield f"{TOP}.resource_pools", "autoscaling_spec must be set on every worker pool, or on none."


def check_runtime(runtime: Json, pools: Sequence[Json]) -> Problems:
    """Check the images, the head's pool and the service account."""
    spec = f"{TOP}.resource_runtime_spec"
    ray = runtime.get("ray_spec")
    if ray is None:
        yield f"{spec}.ray_spec", "The lab supports Ray clusters only: ray_spec is required."
        return
    if ray.get("image_uri") and (problem := images.check(ray["image_uri"])):
        yield f"{spec}.ray_spec.image_uri", problem
    pool_images = ray.get("resource_pool_images") or {}
    for pool in pools:
        image = pool_images.get(pool.get("id", ""), "")
        where = f"{spec}.ray_spec.resource_pool_images[{pool.get('id', '')}]"
        if not image and not ray.get("image_uri"):
            yield where, "Every pool requires an image, unless image_uri is set."
        elif image and (problem := images.check(image)):
            yield where, problem
    first = pools[0].get("id", "") if pools else ""
    if ray.get("head_node_resource_pool_id", first) != first:
        yield f"{spec}.ray_spec.head_node_resource_pool_id", "In the lab, the head must be in the first pool."
    if ray.get("nfs_mounts"):
        yield f"{spec}.ray_spec.nfs_mounts", "The lab does not support NFS."
    account = runtime.get("service_account_spec") or {}
    if account.get("enable_custom_service_account") and not account.get("service_account"):
        yield f"{spec}.service_account_spec.service_account", "It is required for a Ray cluster."
    if account.get("service_account") and not account.get("enable_custom_service_account"):
        yield f"{spec}.service_account_spec.enable_custom_service_account", "It must be true."


def check_metadata(resource: Json) -> Problems:
    """Check the labels and the network."""
    yield from check_labels(resource.get("labels") or {})
    network = resource.get("network")
    if network and not NETWORK.fullmatch(network):
        yield f"{TOP}.network", f'"{network}" does not match projects/PROJECT/global/networks/NETWORK.'
    if network and (resource.get("psc_interface_config") or {}).get("network_attachment"):
        yield f"{TOP}.psc_interface_config", "It can't be set together with network."


def check_labels(found: Mapping[str, str]) -> Problems:
    """Check the labels and their number."""
    if len(found) > labels.COUNT:
        yield f"{TOP}.labels", f"{len(found)} labels exceed the limit of {labels.COUNT} per resource."
    for key, value in found.items():
        if not (labels.is_key(key) and labels.is_value(value)):
            allowed = f"Use up to {labels.LENGTH} lowercase letters, digits, underscores and dashes"
            yield f"{TOP}.labels[{key}]", f"{allowed}; a key starts with a letter."


def update_problems(old: Json, new: Json, mask: Sequence[str]) -> list[tuple[str, str]]:
    """The problems of a request to update a cluster, which may change the number of replicas only."""
    return list(check_update(old, new, mask))


def check_update(old: Json, new: Json, mask: Sequence[str]) -> Problems:
    """Yield the problems of `update_problems`; `mask` is the update mask."""
    other = [path for path in mask if path != "resource_pools.replica_count"]
    if other or not mask:
        text = "Only resource_pools.replica_count can be updated"
        yield (
            "update_mask",
            f"{text}, not {', '.join(other)}." if other else f"{text}: the mask must name it.",
        )
    before, after = old.get("resource_pools") or (), new.get("resource_pools") or ()
    if [pool.get("id") for pool in before] != [pool.get("id") for pool in after]:
        yield f"{TOP}.resource_pools", "The pools must be the cluster's own, in the same order."
        return
    for number, (was, pool) in enumerate(zip(before, after, strict=True)):
        where = f"{TOP}.resource_pools[{number}].replica_count"
        count = int(pool.get("replica_count") or 0)
        if autoscaled(was):
            if count != replicas(was):
                yield where, "The pool is autoscaled, so its replica_count can't be set."
        elif not 1 <= count <= POOL_NODES:
            yield where, f"{count} is not between 1 and {POOL_NODES}."
    if (total := sum(int(pool.get("replica_count") or 0) for pool in after)) > CLUSTER_NODES:
        yield f"{TOP}.resource_pools", f"{total} nodes exceed the limit of {CLUSTER_NODES} per cluster."


def autoscaled(pool: Json) -> bool:
    """Whether a pool has autoscaling bounds."""
    return pool.get("autoscaling_spec") is not None


def bounds(pool: Json) -> tuple[int, int]:
    """A pool's autoscaling bounds: minimum and maximum."""
    spec = pool["autoscaling_spec"]
    return int(spec.get("min_replica_count") or 0), int(spec.get("max_replica_count") or 0)


def replicas(pool: Json) -> int:
    """A pool's number of nodes. For an autoscaled pool it is the minimum, because the lab does not scale pools."""
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
