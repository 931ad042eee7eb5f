"""The kinds of cluster, and which one a machine gets. A new kind is one module and one line here.

A kind's module offers `open_cluster(context) -> Cluster`; it imports what it needs when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from cluster import key
from cluster.errors import NoEngine
from cluster.status import Member, missing, rows
from raydock.errors import NotUp
from raydock.rayapi.nodes import Gateway, Node, list_nodes
from raydock.topology import Pool, Topology
from raydock.waiting import Say

KINDS = {
    "docker": "cluster.docker.cluster",
    "processes": "cluster.processes.cluster",
}
MISSING = "what is missing then: isolation, memory limits, the images' packages"


@dataclass(frozen=True, slots=True)
class Context:
    """What a kind works with."""

    root: Path  # the checkout
    state: Path  # where a kind may keep a record
    settings: Mapping[str, str]
    topology: Topology
    say: Say  # shows one line of progress
    chosen: Mapping[str, str] = field(default_factory=dict)  # sizes that are not set: cluster/sizes.py

    @property
    def dashboard(self) -> Gateway:
        """Where the cluster answers, with the key as it is now."""
        return Gateway(self.topology.dashboard, key.read(self.state))


class Runtime(Protocol):
    """One cluster of one kind. Every method raises ClusterError, and has a deadline."""

    def exists(self) -> bool:
        """Whether anything of it is here, whole or in part. Starts nothing. NoEngine where that can't be told."""

    def up(self, build: bool, restart: bool = False) -> None:
        """Starts what is missing, and disturbs nothing that runs; returns when a job would run now.

        With `restart` every node is started again, with the settings as they are now; what runs there ends.
        """

    def restart_cloud(self) -> None:
        """Starts the lab's cloud anew, with the settings as they are now; jobs go on meanwhile."""

    def down(self) -> list[str]:
        """Ends and removes all of it, also after a crash; names what was removed."""

    def members(self) -> list[Member]:
        """What is to be a node, head first."""

    def ended(self) -> list[str]:
        """What is no node, but needed, and does not run: the cloud."""

    def scale(self, pool: Pool, count: int, drain_timeout: float) -> None:
        """Brings the pool to `count` nodes. A node that goes may end its tasks, for `drain_timeout` s."""


@dataclass(frozen=True, slots=True)
class Choice:
    kind: str
    why: str
    sizes: str = ""  # what was fitted to the machine, in one line


def choose(asked: str, require_engine: Callable[[], str]) -> Choice:
    """Docker where it is usable, else processes. `require_engine` names the engine or raises NoEngine."""
    if asked != "auto":
        return Choice(asked, "as --kind says")
    try:
        return Choice("docker", require_engine())
    except NoEngine as error:
        reason = error.message.rstrip(".")
        return Choice(
            "processes", f"{reason}: starting the same cluster as processes on this machine; {MISSING}"
        )


def require_engine() -> str:
    """The engine of this machine in a few words. NoEngine where there is none."""
    module = import_module("cluster.docker.engine")
    engine = module.connect()
    module.find_compose()
    return f"Docker {engine.version} answers at {engine.address}"


def open_kind(name: str, context: Context) -> Runtime:
    return cast(Runtime, import_module(KINDS[name]).open_cluster(context))


def existing(context: Context) -> Iterator[str]:
    """The kinds of which something is here; the one that is quickest to ask comes first."""
    return (name for name in reversed(KINDS) if open_kind(name, context).exists())


def current(context: Context) -> str:
    """The kind that is up. NotUp where none is."""
    for name in existing(context):
        return name
    raise NotUp("No cluster is up.", "Start one: make cluster-up")


def found(cluster: Runtime, context: Context) -> list[Node]:
    """The cluster's nodes as `status` shows them. NotUp where its dashboard does not answer."""
    try:
        return rows(cluster.members(), list_nodes(context.dashboard))
    except NotUp:
        if ended := cluster.ended():
            raise NotUp(has_ended(ended), "Start what has ended: make cluster-up") from None
        raise


def has_ended(services: list[str]) -> str:
    verb = "has" if len(services) == 1 else "have"
    return f"The lab's {' and '.join(services)} {verb} ended: jobs get no answer there."


def is_whole(cluster: Runtime, context: Context) -> bool:
    """Whether every member is a living node, and what they need beside them runs."""
    try:
        return not cluster.ended() and not missing(cluster.members(), list_nodes(context.dashboard))
    except NotUp:
        return False
