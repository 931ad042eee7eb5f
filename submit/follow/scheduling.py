"""Tasks, actors and placement groups of a running job that no node in the cluster can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from raydock.answers import amounts, mapping, rows
from raydock.rayapi.dashboard import Dashboard

from ..preflight.cluster import spelled

Resources = Mapping[str, float]
PAGE = 100  # tasks to request


async def stuck(dashboard: Dashboard, job_id: str) -> list[str]:
    """A sentence for each kind of work that no node can hold. Raises ServerError, Unreachable."""
    tasks = await dashboard.state(
        "tasks", query(("state", "PENDING_NODE_ASSIGNMENT"), ("job_id", job_id)), PAGE
    )
    groups = await dashboard.state("placement_groups", query(("state", "PENDING")), PAGE)
    mine = [group for group in groups if group.get("creator_job_id") == job_id]
    if not tasks and not mine:
        return []
    return unschedulable(
        tasks, mine, [amounts(node.get("resources_total")) for node in await dashboard.nodes()]
    )


def query(*equal: tuple[str, str]) -> str:
    """The state API's query string for filters of the form key = value."""
    words = ("filter_keys", "filter_predicates", "filter_values")
    return urlencode([pair for key, value in equal for pair in zip(words, (key, "=", value), strict=True)])


def unschedulable(
    tasks: Iterable[Mapping[str, Any]], groups: Iterable[Mapping[str, Any]], nodes: Iterable[Resources]
) -> list[str]:
    """The sentences, from the state API's responses. They describe the current nodes; a later node may fit."""
    have = list(nodes)
    total = sum_resources(have)
    found = [exceeds_every_node(name, request, have) for name, request in pending_requests(tasks)]
    for group in groups:
        bundles = [amounts(bundle.get("unit_resources")) for bundle in rows(group.get("bundles"))]
        title = f"the placement group {group['name']}" if group.get("name") else "a placement group"
        too_large = [exceeds_every_node(f"a bundle of {title}", bundle, have) for bundle in bundles]
        found += (
            too_large if any(too_large) else [exceeds_cluster(title, sum_resources(bundles), total, group)]
        )
    return list(dict.fromkeys(filter(None, found)))


def exceeds_every_node(name: str, request: Resources, nodes: Iterable[Resources]) -> str:
    """The sentence for a request that no node can hold; otherwise ""."""
    if any(fits(request, node) for node in nodes):
        return ""
    return (
        f"{name} needs {format_resources(request)}, more than any node in the cluster has; "
        "it stays pending until such a node joins."
    )


def exceeds_cluster(title: str, request: Resources, total: Resources, group: Mapping[str, Any]) -> str:
    """The sentence for a placement group that all nodes together can't hold; otherwise ""."""
    if not fits(request, total):
        return (
            f"{title} needs {format_resources(request)} in total, more than the cluster has; "
            "it stays pending until nodes join."
        )
    if mapping(group.get("stats")).get("scheduling_state") == "INFEASIBLE":
        return (
            f"{title} can't be placed with its strategy, even on idle nodes; "
            "it stays pending until nodes join."
        )
    return ""


def pending_requests(tasks: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Resources]]:
    """The name and resource request of each task that is waiting for a node; an actor is identified by its class.

    Skips tasks in a placement group: they use the group's resources, and wait for the group.
    """
    for task in tasks:
        if task.get("placement_group_id"):
            continue
        name = str(task.get("func_or_class_name") or task.get("name") or "?")
        kind = "the actor" if name.endswith(".__init__") else "the task"
        yield f"{kind} {name.removesuffix('.__init__')}", amounts(task.get("required_resources"))


def sum_resources(parts: Iterable[Resources]) -> Resources:
    """The sum of resources, by name."""
    total: dict[str, float] = {}
    for part in parts:
        for name, quantity in part.items():
            total[name] = total.get(name, 0) + quantity
    return total


def format_resources(request: Resources) -> str:
    """Resources as text, sorted by name: the state API returns them in any order."""
    return spelled(dict(sorted(request.items())))


def fits(request: Resources, node: Resources) -> bool:
    """Whether the node has enough of every resource."""
    return all(node.get(name, 0) >= quantity for name, quantity in request.items())
