"""The fault `node`: kills a worker, and starts it again when the fault ends.

Only this machine can start a node, not the lab's cloud. A process that outlives this command therefore waits for the
end: cluster/fault/revival.py. If it is gone too, `make cluster-up` starts the node.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Protocol, cast

from cluster import runtimes, scale
from cluster.fault.client import ActiveFault, LabFaults
from cluster.fault.options import PROG, Wanted
from cluster.runtimes import Context
from cluster.state import logs
from cluster.status import Member
from raydock import units
from raydock.errors import NotFound, UsageError


class Mortal(scale.Scalable, Protocol):
    """A cluster whose nodes can be killed and started again."""

    def kill(self, node: Member) -> None:
        """Kill a member with SIGKILL. It stays down."""

    def start_again(self, node: Member) -> None:
        """Start a killed member again. Does not wait for its node."""


def open_cluster(runtime: str, context: Context) -> Mortal:
    """This checkout's cluster."""
    return cast(Mortal, runtimes.open_runtime(runtime, context))


def kill(context: Context, runtime: str, lab: LabFaults, wanted: Wanted) -> ActiveFault:
    """Kill a worker until the fault ends. Raises NotFound for an unknown node and UsageError for the head."""
    cluster = open_cluster(runtime, context)
    member = living(cluster.members(), wanted.fault.node, lab.active())
    made = lab.start(wanted)
    wait_in_background(context, made)
    cluster.kill(member)
    return made


def living(members: Sequence[Member], name: str, faults: Sequence[ActiveFault]) -> Member:
    """The running worker with that name. Raises NotFound, or UsageError for the head."""
    workers = {member.name: member for member in members if member.pool != "head"}
    if any(member.name == name and member.pool == "head" for member in members):
        example = next(iter(workers), "cpu-worker-1")
        raise UsageError(
            "The head can't be killed: it runs the jobs' drivers, so every job would fail.",
            f"Kill a worker: {PROG} node {example}",
        )
    if name not in workers:
        raise NotFound(
            f"Node {name!r} does not exist; the workers are {', '.join(workers)}.", "make cluster-status"
        )
    if not workers[name].running:
        if down := next((one for one in faults if one.fault.node == name), None):
            text = f"Node {name} is already down, for {units.span(down.seconds_left)}."
            raise NotFound(text, f"Start it now: {PROG} clear {down.id}")
        raise NotFound(f"Node {name} is not running.", "make cluster-up")
    return workers[name]


def start_again(context: Context, runtime: str, names: Sequence[str]) -> None:
    """Start those of these workers that are down, and wait for their nodes. Raises NotReady."""
    cluster = open_cluster(runtime, context)
    dead = [member for member in cluster.members() if member.name in names and not member.running]
    for member in dead:
        cluster.start_again(member)
    for pool in dict.fromkeys(member.pool for member in dead):
        scale.wait_for_nodes(cluster, context, pool)


def wait_in_background(context: Context, made: ActiveFault) -> None:
    """Start the process that starts the node again when the fault ends."""
    until = time.time() + made.seconds_left
    words = [sys.executable, "-P", "-m", "cluster.fault.revival", made.id, made.fault.node, str(until)]
    with logs.named(context.state, f"fault-{made.fault.node}").open() as output:
        subprocess.Popen(
            words,
            cwd=context.root,
            env={**os.environ, "PYTHONPATH": str(context.root)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
