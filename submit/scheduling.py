"""What a running job waits for in vain: tasks, actors and placement groups that fit on no node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .preflight.cluster import spelled

Resources = Mapping[str, float]


def unschedulable(
    tasks: Iterable[Mapping[str, Any]], groups: Iterable[Mapping[str, Any]], nodes: Iterable[Resources]
) -> list[str]:
    """A sentence for each kind of work that no node can hold, as the state API tells of it and of what nodes have.

    A node that joins later may hold it: on a cluster that scales itself these are facts about now.
    """
    have = list(nodes)
    found = dict.fromkeys(
        f"{name} needs {spelled(asked)}{on}, and no node of the cluster has that: it would never be scheduled."
        for name, asked, on in (*wanted_by_tasks(tasks), *wanted_by_groups(groups))
        if asked and not any(fits(asked, node) for node in have)
    )
    return list(found)


def wanted_by_tasks(tasks: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Resources, str]]:
    """The name and the resources of each task that waits for a node; an actor is named by its class."""
    for task in tasks:
        name = str(task.get("func_or_class_name") or task.get("name") or "a task")
        kind = "the actor " if name.endswith(".__init__") else "the task "
        yield kind + name.removesuffix(".__init__"), task.get("required_resources") or {}, ""


def wanted_by_groups(groups: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Resources, str]]:
    """The same of each bundle of a placement group that waits."""
    for group in groups:
        for bundle in group.get("bundles") or ():
            name = f"the placement group {group['name']}" if group.get("name") else "a placement group"
            yield name, bundle.get("unit_resources") or {}, " in one bundle"


def fits(asked: Resources, node: Resources) -> bool:
    """Has one node that much of everything?"""
    return all(node.get(what, 0) >= much for what, much in asked.items())
