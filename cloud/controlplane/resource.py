"""A cluster as the API tells of it: the JSON of a PersistentResource."""

from __future__ import annotations

import copy
import time
from typing import Any

from cloud.controlplane.nodes import node_sizing
from cloud.controlplane.store import ClusterRecord

CLIENT_PORT = 443


def resource(cluster: ClusterRecord) -> dict[str, Any]:
    """The message's JSON, as a call gets it."""
    told = {**copy.deepcopy(cluster.spec), "name": cluster.name, "state": cluster.state}
    for name, seconds in (
        ("create_time", cluster.created),
        ("update_time", cluster.updated),
        ("start_time", cluster.started),
    ):
        if seconds:
            told[name] = stamp(seconds)
    if cluster.error:
        told["error"] = {"code": 13, "message": cluster.error}  # INTERNAL
    for first, pool in enumerate(told["resource_pools"]):
        if pool.get("autoscaling_spec") is not None:
            pool["replica_count"] = sum(
                one.key.pool == pool["id"]
                for one in node_sizing.nodes(cluster.name, cluster.spec, cluster.principal)
            )
        pool["used_replica_count"] = 0 if first or cluster.state != "RUNNING" else 1
    if cluster.state in ("RUNNING", "UPDATING"):
        told["resource_runtime"] = {"access_uris": access(cluster)}
    return told


def access(cluster: ClusterRecord) -> dict[str, str]:
    """The public ways in. With a RAY_HEAD_NODE_INTERNAL_IP the SDK would send no token to the endpoint."""
    return {
        "RAY_DASHBOARD_URI": cluster.host,
        "RAY_CLIENT_ENDPOINT": f"{cluster.host}:{CLIENT_PORT}",
    }


def stamp(seconds: float) -> str:
    """RFC 3339, as protobuf's JSON has times."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1e6):06d}Z"
