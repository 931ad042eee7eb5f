"""Readiness checks for the processes runtime. Each describes what is not ready yet, or returns "" if everything is."""

from __future__ import annotations

from collections.abc import Sequence

from cluster import status
from cluster.processes import launch, process_tree
from cluster.processes.identity import LOOPBACK
from cluster.processes.record import NodeProcess, ProcessesRecord
from cluster.runtimes import Context
from cluster.status import Member
from raydock.errors import NotReady
from raydock.rayapi import blocking, nodes
from raydock.rayapi.connection import Gateway

AGAIN = "Try again: make cluster-up"


def head(context: Context, found: ProcessesRecord) -> str:
    """What the head node still needs before it is ready. Raises NotReady if it can't start."""
    require_running(context, found, found.head)
    agent = Gateway(f"http://{LOOPBACK}:{found.head.ports[0]}")
    for what, where, path in (
        ("the dashboard", context.dashboard, "/api/version"),
        ("the Job API", context.dashboard, "/api/jobs/"),
        ("the head node's job agent", agent, "/api/local_raylet_healthz"),
    ):
        if not blocking.responds(where, path):
            return f"waiting for {what}"
    return ""


def workers(context: Context, found: ProcessesRecord, members: Sequence[Member]) -> str:
    """Which members do not have a live node yet. Raises NotReady if a node can't start."""
    for node in found.nodes:
        require_running(context, found, node)
    names = status.missing(members, nodes.list_nodes(context.dashboard))
    return f"waiting for {', '.join(names)}" if names else ""


def require_running(context: Context, found: ProcessesRecord, node: NodeProcess) -> None:
    """Raise NotReady if the node's `ray start` has exited or has logged an error."""
    log = launch.log(context, node.name)
    text = log.read().strip()
    if errors := logged_errors(text):
        raise NotReady(f"{node.name} did not start properly: {errors}\n{log.reference}", AGAIN)
    if not process_tree.Owned(str(context.state), node.name).has(node.pid):
        last = " ".join(text.splitlines()[-3:])
        raise NotReady(f"{node.name} exited during startup: {last}\n{log.reference}", AGAIN)


def logged_errors(text: str) -> str:
    """The errors in the log of `ray start`, which carries on despite them, for example without a dashboard."""
    return " ".join(line.partition(" -- ")[2] for line in text.splitlines() if "\tERROR " in line)
