"""What a running job waits for in vain: tasks, actors and placement groups that fit on no node there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from raydock.answers import amounts, mapping, rows
from raydock.rayapi.dashboard import Dashboard

from ..preflight.cluster import spelled

Resources = Mapping[str, float]
PAGE = 100  # tasks looked at


async def stuck(dashboard: Dashboard, job_id: str) -> list[str]:
    """A sentence for each kind of work of the job that no node can hold. Raises ServerError, Unreachable."""
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
    """The state API's filters: each key has that value."""
    words = ("filter_keys", "filter_predicates", "filter_values")
    return urlencode([pair for key, value in equal for pair in zip(words, (key, "=", value), strict=True)])


def unschedulable(
    tasks: Iterable[Mapping[str, Any]], groups: Iterable[Mapping[str, Any]], nodes: Iterable[Resources]
) -> list[str]:
    """The sentences, of what the state API tells: a fact about now, for a node that joins later may hold the work."""
    have = list(nodes)
    total = together(have)
    found = [beyond_nodes(name, asked, have) for name, asked in wanted_by_tasks(tasks)]
    for group in groups:
        bundles = [amounts(bundle.get("unit_resources")) for bundle in rows(group.get("bundles"))]
        title = f"the placement group {group['name']}" if group.get("name") else "a placement group"
        too_large = [beyond_nodes(f"a bundle of {title}", bundle, have) for bundle in bundles]
        found += too_large if any(too_large) else [beyond_cluster(title, together(bundles), total, group)]
    return list(dict.fromkeys(filter(None, found)))


def beyond_nodes(name: str, asked: Resources, nodes: Iterable[Resources]) -> str:
    """The sentence for what no node can hold, else ""."""
    if any(fits(asked, node) for node in nodes):
        return ""
    return f"{name} needs {ordered(asked)}, more than any node of the cluster has: it waits until such a node joins."


def beyond_cluster(title: str, asked: Resources, total: Resources, group: Mapping[str, Any]) -> str:
    """The sentence for a placement group that all nodes together can't hold, else ""."""
    if not fits(asked, total):
        return f"{title} needs {ordered(asked)} in all, more than the cluster has: it waits until nodes join."
    if mapping(group.get("stats")).get("scheduling_state") == "INFEASIBLE":
        return f"{title} can't be placed by its strategy, even on idle nodes: it waits until nodes join."
    return ""


def wanted_by_tasks(tasks: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Resources]]:
    """The name and the resources of each task that waits for a node; an actor is named by its class.

    What runs in a placement group has its own resources there, and waits for the group.
    """
    for task in tasks:
        if task.get("placement_group_id"):
            continue
        name = str(task.get("func_or_class_name") or task.get("name") or "?")
        kind = "the actor" if name.endswith(".__init__") else "the task"
        yield f"{kind} {name.removesuffix('.__init__')}", amounts(task.get("required_resources"))


def together(parts: Iterable[Resources]) -> Resources:
    """The sum."""
    whole: dict[str, float] = {}
    for part in parts:
        for what, much in part.items():
            whole[what] = whole.get(what, 0) + much
    return whole


def ordered(asked: Resources) -> str:
    """As a person writes them: the state API gives them in any order."""
    return spelled(dict(sorted(asked.items())))


def fits(asked: Resources, node: Resources) -> bool:
    """Has one node that much of everything?"""
    return all(node.get(what, 0) >= much for what, much in asked.items())
