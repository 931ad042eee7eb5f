"""The status table, which matches the members that the runtime started with the nodes that Ray reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from raydock.rayapi.connection import Gateway
from raydock.rayapi.nodes import Node
from raydock.terminal import layout
from raydock.terminal.layout import clip

HEADINGS = ("NODE", "POOL", "CPUS", "GPUS", "MEMORY", "STATE")


@dataclass(frozen=True, slots=True)
class Member:
    """A container or process group that should be one node."""

    name: str
    pool: str
    node: str  # equals its node's Node.name or Node.host
    running: bool
    since: int = 0  # start time in milliseconds since 1970; older nodes belong to an earlier run


def match(members: Sequence[Member], nodes: Sequence[Node]) -> list[tuple[Member, Node | None]]:
    """Pair each member with its newest node, or with None if Ray has not seen it yet."""
    oldest_first = sorted(nodes, key=lambda node: node.started)
    # Processes share a hostname, so the node name takes precedence.
    newest = {node.host: node for node in oldest_first} | {node.name: node for node in oldest_first}
    return [
        (member, node if (node := newest.get(member.node)) and node.started >= member.since else None)
        for member in members
    ]


def missing(members: Sequence[Member], nodes: Sequence[Node]) -> list[str]:
    """The names of the members without a living node."""
    return [
        member.name
        for member, node in match(members, nodes)
        if not (member.running and node and node.state == "ALIVE")
    ]


def rows(members: Sequence[Member], nodes: Sequence[Node]) -> list[Node]:
    """One row per member, under the member's name, then the living nodes outside these pools.

    A member whose container or processes have exited is shown as DEAD immediately, although Ray takes up to 30 s to
    notice. A member that Ray has not seen since its start is STARTING, even if Ray still lists its previous run's node
    as alive. The nodes of removed members are left out.
    """
    pairs = match(members, nodes)
    # For a restarted or removed member, Ray may still list the previous node as alive.
    ours, pools = {member.node for member in members}, {member.pool for member in members}
    others = [
        node
        for node in nodes
        if node.state == "ALIVE" and node.pool not in pools and not ours & {node.host, node.name}
    ]
    return sorted([row(member, node) for member, node in pairs] + others, key=order)


def order(node: Node) -> tuple[bool, str, int, str]:
    """The sort key: head first, then by pool, with cpu-worker-10 after cpu-worker-9."""
    return node.pool != "head", node.pool, len(node.name), node.name


def row(member: Member, node: Node | None) -> Node:
    """The node as the table shows it, under the member's name."""
    if node is None:
        node = Node("", member.name, "", member.pool, 0, 0, False, 0, 0, "STARTING", 0)
    state = node.state if member.running else "DEAD"
    return replace(node, name=member.name, state=state)


def table(found: Sequence[Node]) -> str:
    """The rows as aligned text with headings. Fits into 80 columns with raydock's pool names."""
    return "\n".join(layout.table([HEADINGS, *map(cells, found)]))


def cells(node: Node) -> tuple[str, ...]:
    """The cells of one row. Memory, also of each real GPU, is in GiB."""
    memory = f"{node.memory / 2**30:.1f} GiB"
    kind = "simulated" if node.simulated else f"{node.gpu_memory / 2**30:.1f} GiB" if node.gpu_memory else ""
    gpus = f"{node.gpus} ({kind})" if node.gpus and kind else str(node.gpus)
    return (clip(node.name, 22), clip(node.pool, 12), str(node.cpus), gpus, memory, node.state)


def as_json(runtime: str, dashboard: Gateway, found: Sequence[Node]) -> dict[str, object]:
    """The value that `status --json` prints. Memory is in bytes, and times are in milliseconds since 1970."""
    nodes = [asdict(node) for node in found]
    return {"version": 1, "kind": runtime, "dashboard": dashboard.url, "link": dashboard.link, "nodes": nodes}
