"""What the cluster is: its Ray, its Python, its packages and its nodes, as it tells of them itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydock.answers import amounts, mapping, number, rows, text, texts
from raydock.errors import ServerError

from .dashboard import Dashboard, described

DESCRIPTION = "raydock-node.json"  # docker/node.py writes it into the node's log directory


@dataclass(frozen=True, slots=True)
class NodeResources:
    """One living node: its pool, and what it can give in all. Memory is in bytes."""

    pool: str
    head: bool
    resources: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of the head: its job packages, environments and logs are there. In bytes."""

    path: str
    free: int
    total: int

    @property
    def over(self) -> bool:
        """Beyond Ray's limit: no object goes to this disk then (file_system_monitor.cc)."""
        return self.free < 0.05 * self.total

    @property
    def full(self) -> bool:
        """Jobs can't start: docker/health.py has the same limits. On a large disk 5 % are plenty."""
        return self.over and self.free < 2**30


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """The cluster as it is now. `python` and `packages` are empty where it doesn't say.

    `silent` says why its nodes are not known, where its state API is refused (a proxy may not pass it).
    """

    ray: str
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    modules: frozenset[str] = (
        frozenset()
    )  # what can be imported there, namespaces written out; empty: not told
    nodes: tuple[NodeResources, ...] = ()
    silent: str = ""
    disk: Disk | None = None  # of the head, as it was up to some seconds ago


async def read_cluster_info(dashboard: Dashboard) -> ClusterInfo:
    """Asks the cluster. Raises Unreachable or ServerError where it does not answer."""
    version, (nodes, silent), summary = await asyncio.gather(
        dashboard.version(), nodes_or_why(dashboard), head_summary(dashboard)
    )
    head = next((node for node in nodes if node.get("is_head_node")), None)
    says: Mapping[str, Any] = {}
    if head:
        says = described(await dashboard.log_file(text(head.get("node_id")), DESCRIPTION))
    packages = mapping(says.get("packages"))
    return ClusterInfo(
        ray=text(version.get("ray_version")),
        python=text(says.get("python")) or python_of_raylet(summary),
        packages={name: one for name, one in packages.items() if isinstance(one, str)},
        modules=frozenset(texts(says.get("modules"))),
        nodes=tuple(node_of(node) for node in nodes),
        silent=silent,
        disk=disk_of(summary),
    )


async def nodes_or_why(dashboard: Dashboard) -> tuple[list[Mapping[str, Any]], str]:
    """The nodes, or why the cluster does not tell of them. Raises Unreachable."""
    try:
        return await dashboard.nodes(), ""
    except ServerError as fault:
        return [], fault.message


def node_of(told: Mapping[str, Any]) -> NodeResources:
    """A node from the state API's words."""
    pool = text(mapping(told.get("labels")).get("pool"))
    return NodeResources(pool, bool(told.get("is_head_node")), amounts(told.get("resources_total")))


async def head_summary(dashboard: Dashboard) -> Mapping[str, Any]:
    """What the dashboard shows of the head; nothing where it does not tell. Raises Unreachable."""
    try:
        reply = await dashboard.json("GET", "/nodes?view=summary")
    except ServerError:
        return {}
    found = rows(mapping(reply.get("data")).get("summary"))
    return next((node for node in found if mapping(node.get("raylet")).get("isHeadNode")), {})


def python_of_raylet(head: Mapping[str, Any]) -> str:
    """MAJOR.MINOR from the path of the head's raylet, for clusters that don't describe themselves."""
    command = " ".join(texts(head.get("cmdline")))
    found = re.search(r"/python(\d+\.\d+)/(?:site|dist)-packages/ray/", command)
    return found[1] if found else ""


def disk_of(head: Mapping[str, Any]) -> Disk | None:
    """The fullest disk that the dashboard shows of the head: that of / or that of its temporary folder."""
    told = ((path, mapping(disk)) for path, disk in mapping(head.get("disk")).items())
    sizes = ((path, int(number(disk.get("free"))), int(number(disk.get("total")))) for path, disk in told)
    disks = [Disk(path, free, total) for path, free, total in sizes if total]
    return min(disks, key=lambda disk: disk.free / disk.total, default=None)
