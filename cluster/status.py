"""What is up, as rows: the members that a kind has started, beside the nodes that Ray knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from raydock.rayapi.nodes import Gateway, Node

HEADINGS = ("NODE", "POOL", "CPUS", "GPUS", "MEMORY", "STATE")


@dataclass(frozen=True, slots=True)
class Member:
    """A container or a group of processes that is to be one node."""

    name: str
    pool: str
    node: str  # Node.name or Node.host of its node
    running: bool
    since: int = 0  # its start in milliseconds since 1970; an older node is an earlier run's


def match(members: Sequence[Member], nodes: Sequence[Node]) -> list[tuple[Member, Node | None]]:
    """Each member with its node, the newest of that name; None before Ray has seen it."""
    oldest_first = sorted(nodes, key=lambda node: node.started)
    # Processes are matched by their names, whatever the name of the machine that all of them are on.
    newest = {node.host: node for node in oldest_first} | {node.name: node for node in oldest_first}
    return [
        (member, node if (node := newest.get(member.node)) and node.started >= member.since else None)
        for member in members
    ]


def missing(members: Sequence[Member], nodes: Sequence[Node]) -> list[str]:
    """The names of the members that are no living node."""
    return [
        member.name
        for member, node in match(members, nodes)
        if not (member.running and node and node.state == "ALIVE")
    ]


def rows(members: Sequence[Member], nodes: Sequence[Node]) -> list[Node]:
    """One row a member under the member's name, then living nodes that someone else started, in no pool of ours.

    A member whose container or processes ended is DEAD at once; Ray itself notices up to 30 s later.
    A member that Ray has not seen since it was started is STARTING, also where Ray still takes the node of its
    earlier run for alive. Nodes of members that were removed are left out.
    """
    pairs = match(members, nodes)
    # Of a member that was started anew, or removed, Ray may still take the earlier node for alive.
    ours, pools = {member.node for member in members}, {member.pool for member in members}
    others = [
        node
        for node in nodes
        if node.state == "ALIVE" and node.pool not in pools and not ours & {node.host, node.name}
    ]
    return sorted([row(member, node) for member, node in pairs] + others, key=order)


def order(node: Node) -> tuple[bool, str, int, str]:
    """Head first, then by pool, and cpu-worker-10 behind cpu-worker-9."""
    return node.pool != "head", node.pool, len(node.name), node.name


def row(member: Member, node: Node | None) -> Node:
    if node is None:
        node = Node("", member.name, "", member.pool, 0, 0, False, 0, 0, "STARTING", 0)
    state = node.state if member.running else "DEAD"
    return replace(node, name=member.name, state=state)


def table(found: Sequence[Node]) -> str:
    """The rows under headings, aligned; fits 80 columns with the names that our pools have."""
    lines = [HEADINGS, *(cells(node) for node in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def cells(node: Node) -> tuple[str, ...]:
    gpus = f"{node.gpus} (simulated)" if node.simulated and node.gpus else str(node.gpus)
    memory = f"{node.memory / 2**30:.1f} GiB"
    return (clip(node.name, 22), clip(node.pool, 12), str(node.cpus), gpus, memory, node.state)


def clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def as_json(kind: str, dashboard: Gateway, found: Sequence[Node]) -> dict[str, object]:
    """The same for programs. Memory in bytes."""
    nodes = [asdict(node) for node in found]
    return {"version": 1, "kind": kind, "dashboard": dashboard.url, "link": dashboard.link, "nodes": nodes}
