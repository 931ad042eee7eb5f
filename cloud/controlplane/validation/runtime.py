"""Checks on the runtime: the images, the head's pool and the service account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloud.controlplane.nodes import images

Json = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]

TOP = "persistent_resource"


def check_runtime(runtime: Json, pools: Sequence[Json]) -> Problems:
    """Check the images, the head's pool and the service account."""
    spec = f"{TOP}.resource_runtime_spec"
    ray = runtime.get("ray_spec")
    if ray is None:
        yield f"{spec}.ray_spec", "The lab supports only Ray clusters: ray_spec is required."
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
