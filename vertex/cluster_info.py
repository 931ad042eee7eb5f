"""What a cluster is, as its dashboard tells: the local one and one on Vertex AI are asked the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydock.errors import NotUp
from raydock.rayapi.cluster_info import DESCRIPTION
from raydock.rayapi.dashboard import described, log_path
from vertex.dashboard import DashboardClient


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """Living nodes of one pool: how many, and what they promise to jobs in all. Memory is in bytes."""

    nodes: int = 0
    cpus: float = 0
    gpus: float = 0
    memory: float = 0
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """`python` and `packages` are empty where the cluster does not tell."""

    ray: str
    python: str
    packages: Mapping[str, str] = field(default_factory=dict)
    pools: Mapping[str, PoolSummary] = field(default_factory=dict)
    principal: str = ""

    @property
    def workers(self) -> PoolSummary:
        """All pools but the head's, together."""
        return added([group for name, group in self.pools.items() if name != "head"])


def read_cluster_summary(dashboard: DashboardClient, principal: str, python: str = "") -> ClusterSummary:
    """`python` is what is known of it where no node tells. NotUp where the dashboard does not answer as one."""
    version = dashboard.get("/api/version").json(dict, f"{dashboard.url}/api/version")
    path = "/api/v0/nodes?detail=1&limit=10000"
    told = dashboard.get(path).json(dict, dashboard.url + path)
    try:
        rows = [row for row in told["data"]["result"]["result"] if row["state"] == "ALIVE"]
        head = next((str(row["node_id"]) for row in rows if row.get("is_head_node")), "")
        groups: dict[str, list[PoolSummary]] = {}
        for row in rows:
            groups.setdefault(pool_name(row), []).append(group_of(row))
    except (LookupError, TypeError, AttributeError):
        raise NotUp(
            f"{dashboard.url} tells of its nodes in no known way.", "Is its Ray another one?"
        ) from None
    says = description(dashboard, head)
    packages = says.get("packages")
    return ClusterSummary(
        ray=str(version.get("ray_version") or ""),
        python=str(says.get("python") or python),
        packages=dict(packages) if isinstance(packages, dict) else {},
        pools={name: added(found) for name, found in groups.items()},
        principal=principal,
    )


def description(dashboard: DashboardClient, node: str) -> Mapping[str, Any]:
    """What the node's description file says; empty if it has none, as in Google's images."""
    reply = dashboard.get(log_path(node, DESCRIPTION))
    return described(reply.body if reply.status == 200 else None)


def pool_name(row: Mapping[str, Any]) -> str:
    """Its label, which our nodes have, else what a node of its kind is called here."""
    if row.get("is_head_node"):
        return "head"
    gpus = (row.get("resources_total") or {}).get("GPU", 0)
    return str((row.get("labels") or {}).get("pool") or ("gpu-worker" if gpus else "cpu-worker"))


def group_of(row: Mapping[str, Any]) -> PoolSummary:
    total = row.get("resources_total") or {}
    simulated = "simulated_gpu" in total or (row.get("labels") or {}).get("gpu") == "simulated"
    return PoolSummary(
        1, float(total.get("CPU", 0)), float(total.get("GPU", 0)), float(total.get("memory", 0)), simulated
    )


def added(groups: list[PoolSummary]) -> PoolSummary:
    return PoolSummary(
        sum(one.nodes for one in groups),
        sum(one.cpus for one in groups),
        sum(one.gpus for one in groups),
        sum(one.memory for one in groups),
        any(one.simulated for one in groups),
    )
