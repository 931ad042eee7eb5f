"""What a cluster's head reports: pending demand, and which nodes are in use.

Sources: GET /api/cluster_status (ray/autoscaler/_private/load_metrics.py, `summary`), whose keys the dashboard converts
to camelCase, including resource names; and GET /nodes?view=summary, for actors and tasks that use no resources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Bundle = Mapping[str, float]  # amounts by resource
OBJECT_STORE = "objectStoreMemory"


@dataclass(frozen=True, slots=True)
class Group:
    """A pending placement group, or one pending task or actor."""

    bundles: tuple[Bundle, ...]
    strategy: str = "PACK"


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """A node's resources: total and available. `busy` also covers actors and tasks that use no resources."""

    total: Bundle
    available: Bundle
    busy: bool


@dataclass(frozen=True, slots=True)
class Load:
    """`requested` are the bundles of ray.autoscaler.sdk.request_resources; `usage` is keyed by node address."""

    pending: tuple[Group, ...]
    requested: tuple[Bundle, ...]
    usage: Mapping[str, NodeUsage]
    time: float  # Unix seconds of the report


def parse(status: Mapping[str, Any], nodes: Mapping[str, Any]) -> Load | None:
    """The load in the two responses; None if the head has not reported one yet."""
    found = (status.get("data") or {}).get("clusterStatus") or {}
    report = found.get("loadMetricsReport")
    if not report:
        return None
    tasks = [Group((bundle,)) for bundle in bundles(report.get("resourceDemand"))]
    used = used_addresses(nodes)
    by_address = dict(usage(one, used) for one in (report.get("usageByNode") or {}).values())
    by_address.pop("", None)
    return Load(
        pending=(*tasks, *groups(report.get("pgDemand"))),
        requested=tuple(bundles(report.get("requestDemand"))),
        usage=by_address,
        time=float(found.get("time") or 0),
    )


def bundles(counted: Any) -> Iterator[Bundle]:
    """The bundles in a list of (bundle, count), except those that need no resources: they run on the head."""
    for bundle, count in counted or ():
        if any(amount > 0 for amount in bundle.values()):
            yield from [bundle] * int(count)


def groups(counted: Any) -> Iterator[Group]:
    """The placement groups in a list of (group, count)."""
    for group, count in counted or ():
        one = Group(tuple(bundles(group.get("bundles"))), str(group.get("strategy") or "PACK"))
        yield from [one] * int(count)


def usage(resources: Mapping[str, Any], used: frozenset[str]) -> tuple[str, NodeUsage]:
    """A node's address, from its resource node:ADDRESS, and its usage from {resource: [used, total]}."""
    names = [name.partition(":")[2] for name in resources if name.startswith("node:")]
    address = next((name for name in names if name != "InternalHead"), "")
    amounts = {name: pair for name, pair in resources.items() if not name.startswith("node:")}
    total = {name: float(pair[1]) for name, pair in amounts.items()}
    available = {name: float(pair[1]) - float(pair[0]) for name, pair in amounts.items()}
    busy = address in used or any(float(pair[0]) > 0 for pair in amounts.values())
    return address, NodeUsage(total, available, busy)


def used_addresses(nodes: Mapping[str, Any]) -> frozenset[str]:
    """The addresses of the nodes that have an actor or a running task."""
    summary = (nodes.get("data") or {}).get("summary") or ()
    return frozenset(
        str(node.get("ip"))
        for node in summary
        if any(is_used(worker) for worker in (node.get("raylet") or {}).get("coreWorkersStats") or ())
    )


def is_used(worker: Mapping[str, Any]) -> bool:
    """Whether a worker process is an actor or runs a task. An actor ID of only f's means no actor."""
    actor = str(worker.get("actorId") or "").strip("f")
    return bool(actor) or int(worker.get("numRunningTasks") or 0) > 0
