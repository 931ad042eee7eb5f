"""A cluster as the API returns it: the JSON of a PersistentResource."""

from __future__ import annotations

import copy
import time
from typing import Any

from cloud.controlplane.lifecycle.store import ClusterRecord

CLIENT_PORT = 443
IMAGE = "RAYDOCK_IMAGE/"


def resource(cluster: ClusterRecord) -> dict[str, Any]:
    """The JSON of the cluster's PersistentResource message."""
    document = {**copy.deepcopy(cluster.spec), "name": cluster.name, "state": cluster.state}
    for name, seconds in (
        ("create_time", cluster.created),
        ("update_time", cluster.updated),
        ("start_time", cluster.started),
    ):
        if seconds:
            document[name] = timestamp(seconds)
    if cluster.error:
        document["error"] = {"code": 13, "message": cluster.error}  # INTERNAL
    for number, pool in enumerate(document["resource_pools"]):
        if pool.get("autoscaling_spec") is not None:
            pool["replica_count"] = len(cluster.shape.numbers(number))
        pool["used_replica_count"] = 0 if number or cluster.state != "RUNNING" else 1
    if cluster.state in ("RUNNING", "UPDATING"):
        document["resource_runtime"] = {"access_uris": access_uris(cluster)}
    return document


def access_uris(cluster: ClusterRecord) -> dict[str, str]:
    """The public endpoints, and the lab's own entries: the local image for each pool with a custom image.

    RAY_HEAD_NODE_INTERNAL_IP is omitted; with it, the SDK would not send a token.
    """
    return {
        "RAY_DASHBOARD_URI": cluster.host,
        "RAY_CLIENT_ENDPOINT": f"{cluster.host}:{CLIENT_PORT}",
        **{f"{IMAGE}{pool}": local for pool, local in cluster.images.items()},
    }


def timestamp(seconds: float) -> str:
    """A Unix time in RFC 3339 format, as in protobuf's JSON."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1e6):06d}Z"
