"""What is wrong with a request to create or resize a cluster: all of it, each with its field.

A persistent resource is the JSON of its message, with the fields' own names. The limits are those of the SDK
(vertex_ray.util.resources), of the message's documentation, and of vertex_ray.cluster_init.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloud.controlplane.names import ID
from cloud.controlplane.nodes import images, machine_types

Json = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]

POOL_NODES = 1000
CLUSTER_NODES = 2000
DISK_TYPES = ("pd-ssd", "pd-standard", "hyperdisk-balanced")
DISK_GB = (100, 64000)
TOP = "persistent_resource"
LABEL = re.compile(r"[\w-]{0,64}")
NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")


def problems(identifier: str, resource: Json) -> list[tuple[str, str]]:
    """Everything that is wrong with a request to create; empty where nothing is."""
    pools = resource.get("resource_pools") or ()
    return [
        *of_id(identifier),
        *of_pools(pools),
        *of_scaling(pools),
        *of_runtime(resource.get("resource_runtime_spec") or {}, pools),
        *of_place(resource),
    ]


def of_id(identifier: str) -> Problems:
    if not ID.fullmatch(identifier):
        yield "persistent_resource_id", f'"{identifier}" does not match {ID.pattern} (1 to 63 characters).'


def of_pools(pools: Sequence[Json]) -> Problems:
    if not pools:
        yield f"{TOP}.resource_pools", "At least one resource pool is required."
    for number, pool in enumerate(pools):
        yield from of_pool(f"{TOP}.resource_pools[{number}]", pool)
    names = [pool["id"] for pool in pools if pool.get("id")]
    if len(set(names)) < len(names):
        yield f"{TOP}.resource_pools", "The ids of resource pools must differ."
    if (total := sum(map(replicas, pools))) > CLUSTER_NODES:
        yield f"{TOP}.resource_pools", f"{total} nodes are more than the {CLUSTER_NODES} of a cluster."


def of_pool(where: str, pool: Json) -> Problems:
    spec = pool.get("machine_spec") or {}
    field, said = machine_types.wrong(spec.get("machine_type", ""), accelerator(pool), accelerators(pool))
    if field:
        yield f"{where}.machine_spec.{field}", said
    disk = pool.get("disk_spec") or {}
    kind, size = disk.get("boot_disk_type") or "pd-ssd", int(disk.get("boot_disk_size_gb") or 100)
    if kind not in DISK_TYPES:
        yield f"{where}.disk_spec.boot_disk_type", f'"{kind}" is none of {", ".join(DISK_TYPES)}.'
    if not DISK_GB[0] <= size <= DISK_GB[1]:
        yield f"{where}.disk_spec.boot_disk_size_gb", f"{size} is not within {DISK_GB[0]} to {DISK_GB[1]}."
    count = replicas(pool)
    if count < 1 and not autoscaled(pool):
        yield f"{where}.replica_count", f"{count} is less than 1."
    if count > POOL_NODES:
        yield f"{where}.replica_count", f"{count} nodes are more than the {POOL_NODES} of a pool."


def of_scaling(pools: Sequence[Json]) -> Problems:
    """Bounds on every pool of workers or on none. The first pool has workers where it has more than the head."""
    for number, pool in enumerate(pools):
        if not autoscaled(pool):
            continue
        low, high = bounds(pool)
        where = f"{TOP}.resource_pools[{number}].autoscaling_spec"
        if low < 0 or high <= low:
            yield f"{where}.max_replica_count", f"{high} must be more than min_replica_count, {low}."
        if high > POOL_NODES:
            yield f"{where}.max_replica_count", f"{high} nodes are more than the {POOL_NODES} of a pool."
    workers = [p for n, p in enumerate(pools) if n or autoscaled(p) or replicas(p) > 1]
    if len({autoscaled(pool) for pool in workers}) > 1:
        yield f"{TOP}.resource_pools", "autoscaling_spec must be set on every pool of workers, or on none."


def of_runtime(runtime: Json, pools: Sequence[Json]) -> Problems:
    spec = f"{TOP}.resource_runtime_spec"
    ray = runtime.get("ray_spec")
    if ray is None:
        yield f"{spec}.ray_spec", "The lab has Ray clusters only: ray_spec is required."
        return
    if ray.get("image_uri") and (said := images.wrong(ray["image_uri"])):
        yield f"{spec}.ray_spec.image_uri", said
    given = ray.get("resource_pool_images") or {}
    for pool in pools:
        image = given.get(pool.get("id", ""), "")
        where = f"{spec}.ray_spec.resource_pool_images[{pool.get('id', '')}]"
        if not image and not ray.get("image_uri"):
            yield where, "An image is required for every pool, or image_uri for all."
        elif image and (said := images.wrong(image)):
            yield where, said
    first = pools[0].get("id", "") if pools else ""
    if ray.get("head_node_resource_pool_id", first) != first:
        yield f"{spec}.ray_spec.head_node_resource_pool_id", "The lab's head is a node of the first pool."
    if ray.get("nfs_mounts"):
        yield f"{spec}.ray_spec.nfs_mounts", "The lab has no NFS."
    account = runtime.get("service_account_spec") or {}
    if account.get("enable_custom_service_account") and not account.get("service_account"):
        yield f"{spec}.service_account_spec.service_account", "It is required for a cluster of Ray."
    if account.get("service_account") and not account.get("enable_custom_service_account"):
        yield f"{spec}.service_account_spec.enable_custom_service_account", "It must be true."


def of_place(resource: Json) -> Problems:
    for key, value in (resource.get("labels") or {}).items():
        if not key or not all(LABEL.fullmatch(text) and text == text.lower() for text in (key, value)):
            yield f"{TOP}.labels[{key}]", "Up to 64 lower-case letters, digits, underscores and dashes."
    network = resource.get("network")
    if network and not NETWORK.fullmatch(network):
        yield f"{TOP}.network", f'"{network}" is not projects/PROJECT/global/networks/NETWORK.'
    if network and (resource.get("psc_interface_config") or {}).get("network_attachment"):
        yield f"{TOP}.psc_interface_config", "It can't be set together with network."


def resized(old: Json, new: Json, mask: Sequence[str]) -> list[tuple[str, str]]:
    """What is wrong with a request to update: it may change the number of replicas and nothing else."""
    return list(of_update(old, new, mask))


def of_update(old: Json, new: Json, mask: Sequence[str]) -> Problems:
    other = [path for path in mask if path != "resource_pools.replica_count"]
    if other or not mask:
        said = "Only resource_pools.replica_count can be updated"
        yield "update_mask", f"{said}, not {', '.join(other)}." if other else f"{said}: name it."
    before, after = old.get("resource_pools") or (), new.get("resource_pools") or ()
    if [pool.get("id") for pool in before] != [pool.get("id") for pool in after]:
        yield f"{TOP}.resource_pools", "The pools must be those that the cluster has, in their order."
        return
    for number, (was, pool) in enumerate(zip(before, after, strict=True)):
        where = f"{TOP}.resource_pools[{number}].replica_count"
        count = int(pool.get("replica_count") or 0)
        if autoscaled(was):
            if count != replicas(was):
                yield where, "The pool has an autoscaling_spec."
        elif not 1 <= count <= POOL_NODES:
            yield where, f"{count} is not within 1 to {POOL_NODES}."
    if (total := sum(int(pool.get("replica_count") or 0) for pool in after)) > CLUSTER_NODES:
        yield f"{TOP}.resource_pools", f"{total} nodes are more than the {CLUSTER_NODES} of a cluster."


def autoscaled(pool: Json) -> bool:
    return pool.get("autoscaling_spec") is not None


def bounds(pool: Json) -> tuple[int, int]:
    spec = pool["autoscaling_spec"]
    return int(spec.get("min_replica_count") or 0), int(spec.get("max_replica_count") or 0)


def replicas(pool: Json) -> int:
    """Nodes of a pool: as many as it says; of an autoscaled one, which the lab does not scale, the least."""
    if pool.get("replica_count") is not None:
        return int(pool["replica_count"])
    return bounds(pool)[0] if autoscaled(pool) else 0


def accelerator(pool: Json) -> str:
    kind = (pool.get("machine_spec") or {}).get("accelerator_type") or ""
    return "" if kind == "ACCELERATOR_TYPE_UNSPECIFIED" else str(kind)


def accelerators(pool: Json) -> int:
    return int((pool.get("machine_spec") or {}).get("accelerator_count") or 0)
