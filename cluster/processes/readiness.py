"""What of a cluster of processes is missing until a job would run, in words; "" when nothing is."""

from __future__ import annotations

from collections.abc import Sequence

from cluster import status
from cluster.errors import NotReady
from cluster.runtimes import Context
from cluster.processes import launch, process_tree
from cluster.processes.identity import LOOPBACK
from cluster.processes.record import NodeProcess, ProcessesRecord
from cluster.status import Member
from raydock.rayapi import nodes
from raydock.rayapi.nodes import Gateway

AGAIN = "Try again: make cluster-up"


def head(context: Context, found: ProcessesRecord) -> str:
    require_running(context, found, found.head)
    agent = Gateway(f"http://{LOOPBACK}:{found.head.ports[0]}")
    for what, where, path in (
        ("the dashboard", context.dashboard, "/api/version"),
        ("the Job API", context.dashboard, "/api/jobs/"),
        ("the head's job agent", agent, "/api/local_raylet_healthz"),
    ):
        if not nodes.answers(where, path):
            return f"waiting for {what}"
    return ""


def workers(context: Context, found: ProcessesRecord, members: Sequence[Member]) -> str:
    for node in found.nodes:
        require_running(context, found, node)
    names = status.missing(members, nodes.list_nodes(context.dashboard))
    return f"waiting for {', '.join(names)}" if names else ""


def require_running(context: Context, found: ProcessesRecord, node: NodeProcess) -> None:
    """Raises NotReady where the node's `ray start` has ended, or has given something up."""
    text = launch.log(found, node.name).read_text(errors="replace").strip()
    if refused := refusals(text):
        raise NotReady(f"{node.name} did not start as it should: {refused}", AGAIN)
    if not process_tree.Owned(str(context.state), node.name).has(node.pid):
        raise NotReady(f"{node.name} ended while it started: {' '.join(text.splitlines()[-3:])}", AGAIN)


def refusals(text: str) -> str:
    """What `ray start` said it could not do. It goes on all the same, without a dashboard for example."""
    return " ".join(line.partition(" -- ")[2] for line in text.splitlines() if "\tERROR " in line)
