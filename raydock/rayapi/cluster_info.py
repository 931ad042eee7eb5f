"""The cluster's Ray, Python, packages and nodes, as it reports them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raydock.answers import amounts, mapping, number, parsed, rows, text, texts
from raydock.errors import ServerError

from . import paths
from .dashboard import Dashboard

DESCRIPTION = "raydock-node.json"  # docker/description.py writes it into the node's log directory


@dataclass(frozen=True, slots=True)
class NodeResources:
    """A live node: its pool and its total resources. Memory is in bytes."""

    pool: str
    head: bool
    resources: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk on the head node, which stores job packages, environments and logs. Sizes are in bytes."""

    path: str
    free: int
    total: int

    @property
    def over(self) -> bool:
        """Whether usage exceeds Ray's limit, beyond which no objects are spilled to it (file_system_monitor.cc)."""
        return self.free < 0.05 * self.total

    @property
    def full(self) -> bool:
        """Whether jobs can't start. The limits match docker/health.py; on a large disk, 5% is plenty."""
        return self.over and self.free < 2**30


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """The current state of the cluster. `python` and `packages` are empty if it does not report them.

    `silent` is the reason if the nodes are unknown because the state API rejects the request (or a proxy blocks it).
    """

    ray: str
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # what each package requires
    modules: frozenset[str] = frozenset()  # importable modules, with full namespaces; empty: unknown
    nodes: tuple[NodeResources, ...] = ()
    silent: str = ""
    addable: tuple[NodeResources, ...] = ()  # that an autoscaler would add
    disk: Disk | None = None  # of the head node; may be some seconds old


async def read_cluster_info(dashboard: Dashboard) -> ClusterInfo:
    """Query the cluster. Raises Unreachable or ServerError if it does not answer."""
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
        requires={name: tuple(texts(one)) for name, one in mapping(says.get("requires")).items()},
        modules=frozenset(texts(says.get("modules"))),
        nodes=tuple(node_of(node) for node in nodes),
        silent=silent,
        disk=disk_of(summary),
    )


async def nodes_or_why(dashboard: Dashboard) -> tuple[list[Mapping[str, Any]], str]:
    """The nodes, or the reason why the cluster does not list them. Raises Unreachable."""
    try:
        return await dashboard.nodes(), ""
    except ServerError as fault:
        return [], fault.message


def node_of(row: Mapping[str, Any]) -> NodeResources:
    """A node from the state API's JSON."""
    pool = text(mapping(row.get("labels")).get("pool"))
    return NodeResources(pool, bool(row.get("is_head_node")), amounts(row.get("resources_total")))


async def head_summary(dashboard: Dashboard) -> Mapping[str, Any]:
    """The dashboard's summary of the head node; empty if unavailable. Raises Unreachable."""
    try:
        reply = await dashboard.json("GET", paths.SUMMARY)
    except ServerError:
        return {}
    found = rows(mapping(reply.get("data")).get("summary"))
    return next((node for node in found if mapping(node.get("raylet")).get("isHeadNode")), {})


def cores_of(head: Mapping[str, Any]) -> int:
    """The logical CPUs of the machine that the head node runs on, from its summary; 0 if unknown."""
    told = head.get("cpus")
    return int(number(told[0])) if isinstance(told, list) and told else 0


def python_of_raylet(head: Mapping[str, Any]) -> str:
    """MAJOR.MINOR from the path of the head's raylet, for clusters that don't report their versions."""
    command = " ".join(texts(head.get("cmdline")))
    found = re.search(r"/python(\d+\.\d+)/(?:site|dist)-packages/ray/", command)
    return found[1] if found else ""


def disk_of(head: Mapping[str, Any]) -> Disk | None:
    """The fullest of the disks that the dashboard reports for the head node: / or its temporary folder."""
    reported = ((path, mapping(disk)) for path, disk in mapping(head.get("disk")).items())
    sizes = ((path, int(number(disk.get("free"))), int(number(disk.get("total")))) for path, disk in reported)
    disks = [Disk(path, free, total) for path, free, total in sizes if total]
    return min(disks, key=lambda disk: disk.free / disk.total, default=None)


def described(content: bytes | None) -> Mapping[str, Any]:
    """A node's description of itself, written by docker/description.py; empty if there is none."""
    try:
        return mapping(parsed(content or b"{}"))
    except ValueError:
        return {}
