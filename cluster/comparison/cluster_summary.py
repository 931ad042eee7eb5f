"""A cluster's contents, according to its dashboard. All clusters are queried in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydock import versions
from raydock.errors import ServerError
from raydock.rayapi import paths
from raydock.rayapi.blocking import BlockingDashboard
from raydock.rayapi.cluster_info import DESCRIPTION, described


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """The number of live nodes in one pool and their total resources. Memory is in bytes."""

    nodes: int = 0
    cpus: float = 0
    gpus: float = 0
    memory: float = 0
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """A cluster's versions, packages and pools. `python` and `packages` are empty if it does not report them."""

    ray: str
    python: str
    packages: Mapping[str, str] = field(default_factory=dict)
    pools: Mapping[str, PoolSummary] = field(default_factory=dict)
    principal: str = ""

    @property
    def workers(self) -> PoolSummary:
        """The sum of all pools except the head's."""
        return sum_of([group for name, group in self.pools.items() if name != "head"])


def read_cluster_summary(dashboard: BlockingDashboard, principal: str, python: str = "") -> ClusterSummary:
    """Query a cluster's dashboard. Raises ServerError or Unreachable if it does not respond like a Ray dashboard.

    `python` is the fallback if no node reports its Python version.
    """
    version = dashboard.json(paths.VERSION)
    reply = dashboard.json(paths.state("nodes"))
    try:
        rows = [row for row in reply["data"]["result"]["result"] if row["state"] == "ALIVE"]
        head = next((str(row["node_id"]) for row in rows if row.get("is_head_node")), "")
        pools: dict[str, list[PoolSummary]] = {}
        for row in rows:
            pools.setdefault(pool_name(row), []).append(resources_of(row))
    except (LookupError, TypeError, AttributeError):
        raise ServerError(
            f"{dashboard.url} lists its nodes in an unknown format.",
            f"Check the cluster's Ray version; raydock supports {versions.RAY}.",
        ) from None
    described_node = description(dashboard, head)
    packages = described_node.get("packages")
    return ClusterSummary(
        ray=str(version.get("ray_version") or ""),
        python=str(described_node.get("python") or python),
        packages=dict(packages) if isinstance(packages, dict) else {},
        pools={name: sum_of(found) for name, found in pools.items()},
        principal=principal,
    )


def description(dashboard: BlockingDashboard, node: str) -> Mapping[str, Any]:
    """Read the node's description file. Empty if there is none, as in Google's images."""
    reply = dashboard.get(paths.log(node, DESCRIPTION), frozenset({200, 404, 500}))
    return described(reply.content if reply.status_code == 200 else None)


def pool_name(row: Mapping[str, Any]) -> str:
    """The node's pool label, which raydock sets, or else the name of the local pool of the same type."""
    if row.get("is_head_node"):
        return "head"
    gpus = (row.get("resources_total") or {}).get("GPU", 0)
    return str((row.get("labels") or {}).get("pool") or ("gpu-worker" if gpus else "cpu-worker"))


def resources_of(row: Mapping[str, Any]) -> PoolSummary:
    """One node's resources, from its row in the state API."""
    total = row.get("resources_total") or {}
    simulated = "simulated_gpu" in total or (row.get("labels") or {}).get("gpu") == "simulated"
    return PoolSummary(
        1, float(total.get("CPU", 0)), float(total.get("GPU", 0)), float(total.get("memory", 0)), simulated
    )


def sum_of(pools: list[PoolSummary]) -> PoolSummary:
    """The sum of several summaries."""
    return PoolSummary(
        sum(one.nodes for one in pools),
        sum(one.cpus for one in pools),
        sum(one.gpus for one in pools),
        sum(one.memory for one in pools),
        any(one.simulated for one in pools),
    )


def lab_principal(dashboard: BlockingDashboard) -> str:
    """The principal that jobs run as in the lab, or "" if the dashboard has no lab cloud."""
    reply = dashboard.get("/lab/", frozenset({200, 404}))
    return str(dashboard.endpoint.parsed(reply).get("job", "")) if reply.status_code == 200 else ""
