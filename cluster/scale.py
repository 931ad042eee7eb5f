"""Resizes a pool in a running cluster. Both runtimes use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from cluster.runtimes import Context
from cluster.status import Member, match, missing
from raydock import units
from raydock.errors import NotReady
from raydock.rayapi.nodes import alive, list_nodes
from raydock.topology import Pool
from raydock.waiting import wait_until

START_SECONDS = 180.0
DRAIN = Path(__file__).with_name("drain.py")


class Scalable(Protocol):
    """A cluster to which nodes can be added, and from which they can be removed, one at a time."""

    def members(self) -> list[Member]:
        """See Runtime.members."""

    def grow(self, pool: Pool, count: int) -> None:
        """Add members until the pool has `count`."""

    def remove(self, members: list[Member]) -> None:
        """Stop and remove the members."""

    def on_head(self, source: str, *arguments: str) -> str:
        """Run Python source code on the head and return its stdout. Its first argument is the GCS's HOST:PORT."""


def scale(cluster: Scalable, context: Context, pool: Pool, count: int, drain_timeout: float) -> None:
    """Add nodes, or drain and remove some, until the pool has `count` living nodes."""
    present = [member for member in cluster.members() if member.pool == pool.name]
    surplus = len(present) - count
    with context.steps.step(f"resizing {pool.name} to {units.counted(count, 'node')}"):
        if surplus > 0:
            cluster.remove(drained_members(cluster, context, present, surplus, drain_timeout))
        cluster.grow(pool, count)
        wait_for_nodes(cluster, context, pool.name)


def drained_members(
    cluster: Scalable, context: Context, present: list[Member], surplus: int, seconds: float
) -> list[Member]:
    """Choose `surplus` members and drain them: dead ones, then idle ones, each time the highest-numbered first."""
    pairs = match(present, list_nodes(context.dashboard))
    living = {node.id: member for member, node in pairs if member.running and node and node.state == "ALIVE"}
    dead = [member for member in present if member not in living.values()][:surplus]
    wanted = surplus - len(dead)
    if not wanted:
        return dead
    answer = cluster.on_head(DRAIN.read_text(), str(wanted), str(seconds), *reversed(living))
    drained = {node: living[node] for node in json.loads(answer.splitlines()[-1])}
    wait_until_drained(context, drained, seconds)
    return [*dead, *drained.values()]


def wait_until_drained(context: Context, drained: dict[str, Member], seconds: float) -> None:
    """Wait for the nodes to exit. Those still busy after `seconds` are reported, and removed anyway."""

    def draining() -> str:
        living = {node.id for node in alive(list_nodes(context.dashboard))}
        names = [member.name for node, member in drained.items() if node in living]
        return f"draining {', '.join(names)}: waiting for running tasks to finish" if names else ""

    try:
        wait_until(draining, seconds, "Draining", context.steps.status, "See: make cluster-status")
    except NotReady:
        context.steps.say(f"removing nodes that were still busy after {seconds:g} s: {draining() or 'none'}")


def wait_for_nodes(cluster: Scalable, context: Context, pool: str) -> None:
    """Wait until every member of the pool is a living node. Raises NotReady."""

    def waiting() -> str:
        members = [member for member in cluster.members() if member.pool == pool]
        names = missing(members, list_nodes(context.dashboard))
        return f"waiting for {', '.join(names)}" if names else ""

    wait_until(waiting, START_SECONDS, f"Starting {pool}", context.steps.status, "See: make cluster-status")
