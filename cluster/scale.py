"""Changes the number of nodes of a running pool; what Docker and processes share of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from cluster.kinds import Context
from cluster.status import Member, match, missing
from raydock.errors import NotReady
from raydock.rayapi.nodes import alive, list_nodes
from raydock.topology import Pool
from raydock.waiting import until

START_SECONDS = 180.0
DRAIN = Path(__file__).with_name("drain.py")


class Scalable(Protocol):
    """A kind whose nodes we add and remove one by one."""

    def members(self) -> list[Member]: ...

    def grow(self, pool: Pool, count: int) -> None:
        """Brings the pool to `count` members by adding."""

    def remove(self, members: list[Member]) -> None: ...

    def on_head(self, source: str, *arguments: str) -> str:
        """Runs Python source beside the control store, whose HOST:PORT is its first argument: its stdout."""


def scale(cluster: Scalable, context: Context, pool: Pool, count: int, drain_timeout: float) -> None:
    """Adds nodes, or drains and removes them, until the pool has `count` living ones."""
    present = [member for member in cluster.members() if member.pool == pool.name]
    surplus = len(present) - count
    if surplus > 0:
        cluster.remove(leaving(cluster, context, present, surplus, drain_timeout))
    cluster.grow(pool, count)
    await_nodes(cluster, context, pool.name)


def leaving(
    cluster: Scalable, context: Context, present: list[Member], surplus: int, seconds: float
) -> list[Member]:
    """The members to remove, drained: first those that are dead already, then the idle ones."""
    pairs = match(present, list_nodes(context.dashboard))
    lives = {node.id: member for member, node in pairs if member.running and node and node.state == "ALIVE"}
    dead = [member for member in present if member not in lives.values()][:surplus]
    wanted = surplus - len(dead)
    if not wanted:
        return dead
    # Of equally idle ones the last goes.
    answer = cluster.on_head(DRAIN.read_text(), str(wanted), str(seconds), *reversed(lives))
    drained = {node: lives[node] for node in json.loads(answer.splitlines()[-1])}
    await_drained(context, drained, seconds)
    return [*dead, *drained.values()]


def await_drained(context: Context, drained: dict[str, Member], seconds: float) -> None:
    """Until the nodes have ended by themselves; those that don't in time are named, and removed anyway."""

    def busy() -> str:
        living = {node.id for node in alive(list_nodes(context.dashboard))}
        names = [member.name for node, member in drained.items() if node in living]
        return f"draining {', '.join(names)}: what runs there may end first" if names else ""

    try:
        until(busy, seconds, "Draining", context.say, "See: make cluster-status")
    except NotReady:
        context.say(f"still busy after {seconds:g} s; removed with what ran on it: {busy() or 'nothing'}")


def await_nodes(cluster: Scalable, context: Context, pool: str) -> None:
    """Until every member of the pool is a living node."""

    def waiting() -> str:
        members = [member for member in cluster.members() if member.pool == pool]
        names = missing(members, list_nodes(context.dashboard))
        return f"waiting for {', '.join(names)}" if names else ""

    until(waiting, START_SECONDS, f"Starting {pool}", context.say, "See: make cluster-status")
