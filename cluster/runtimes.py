"""The runtimes that can host a cluster on this machine, and which one is used.

A runtime is a module with `open_cluster(context) -> Runtime` and one line in RUNTIMES. Its dependencies are imported
only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from cluster.errors import NoEngine
from cluster.state import key
from cluster.status import Member, missing, rows
from raydock.errors import NotUp, Unavailable
from raydock.rayapi.connection import Gateway
from raydock.rayapi.nodes import Node, list_nodes
from raydock.terminal.steps import Steps
from raydock.topology import Pool, Topology
from raydock.waiting import Say

RUNTIMES = {
    "docker": "cluster.docker.cluster",
    "processes": "cluster.processes.cluster",
}
LIMITATIONS = "without isolation, memory limits or the images' packages"
START_AGAIN = "To start it again: make cluster-up"


@dataclass(frozen=True, slots=True)
class Context:
    """What a runtime works with."""

    root: Path  # the checkout
    state: Path  # the state folder, .raydock by default
    settings: Mapping[str, str]
    topology: Topology
    say: Say  # shows one line
    chosen: Mapping[str, str] = field(default_factory=dict)  # sizes fitted to the machine: cluster/sizes.py
    shown: Steps | None = None  # how steps are shown on a terminal

    @property
    def steps(self) -> Steps:
        """Shows slow steps: on a terminal one updated line, elsewhere plain lines."""
        return self.shown or Steps(self.say)

    @property
    def dashboard(self) -> Gateway:
        """The cluster's gateway, with the current key."""
        return Gateway(self.topology.dashboard, key.read(self.state))


class Runtime(Protocol):
    """A cluster on one runtime. Every method has a deadline and raises ClusterError."""

    def exists(self) -> bool:
        """Whether any part of the cluster exists besides kept data. Starts nothing.

        Raises NoEngine if that can't be determined.
        """

    def kept_data(self) -> list[str]:
        """What holds the lab's buckets, objects and grants while no cluster exists, or nothing. Raises NoEngine."""

    def up(self, build: bool, restart: bool = False) -> None:
        """Start what is missing, leave running parts alone, and return once a job would run.

        With `restart`, every node is restarted with the current settings, which ends what runs on it.
        """

    def restart_cloud(self) -> None:
        """Restart the lab's cloud with the current settings. Jobs keep running."""

    def down(self, keep_data: bool = False) -> list[str]:
        """Stop and remove the whole cluster, also after a crash. Returns the names of what was removed.

        With `keep_data`, the lab's buckets, objects and grants stay for the next `up`.
        """

    def members(self) -> list[Member]:
        """The containers or process groups that should each be a node, head first."""

    def stopped_services(self) -> list[str]:
        """The services that the nodes need and that are not running, such as the lab's cloud."""

    def scale(self, pool: Pool, count: int, drain_timeout: float) -> None:
        """Resize the pool to `count` nodes. Tasks on a removed node get `drain_timeout` seconds to finish."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The runtime to use, and why."""

    runtime: str
    why: str
    sizes: str = ""  # what was fitted to the machine, in one line


def choose(asked: str, require_engine: Callable[[], str]) -> Choice:
    """Docker if it is usable, otherwise processes. `require_engine` describes the engine or raises NoEngine."""
    if asked != "auto":
        return Choice(asked, "chosen with --runtime")
    try:
        return Choice("docker", require_engine())
    except NoEngine as error:
        reason = error.message.rstrip(".")
        return Choice(
            "processes", f"{reason}; starting the same cluster as processes on this machine, {LIMITATIONS}"
        )


def require_engine() -> str:
    """Describe this machine's Docker engine in a few words. Raises NoEngine if there is none."""
    module = import_module("cluster.docker.engine")
    engine = module.connect()
    module.find_compose()
    return f"Docker {engine.version} answers at {engine.address}"


def open_runtime(name: str, context: Context) -> Runtime:
    """The cluster of this checkout on the named runtime. Starts nothing."""
    return cast(Runtime, import_module(RUNTIMES[name]).open_cluster(context))


def existing(context: Context) -> Iterator[str]:
    """The runtimes on which a cluster of this checkout exists. The one that answers fastest comes first."""
    return (name for name in reversed(RUNTIMES) if open_runtime(name, context).exists())


def current(context: Context) -> str:
    """The runtime of the cluster that is up. Raises NotUp if there is none."""
    for name in existing(context):
        return name
    raise NotUp("No cluster is up.", "Start one: make cluster-up")


def cluster_nodes(cluster: Runtime, context: Context) -> list[Node]:
    """The nodes as `status` shows them. Raises Unavailable if the dashboard does not answer."""
    try:
        return rows(cluster.members(), list_nodes(context.dashboard))
    except Unavailable:
        if stopped := cluster.stopped_services():
            raise NotUp(stopped_message(stopped), START_AGAIN) from None
        raise


def stopped_message(services: list[str]) -> str:
    """Say which of the lab's services have stopped."""
    verb = "has" if len(services) == 1 else "have"
    return f"The lab's {' and '.join(services)} {verb} stopped, so jobs get no answer there."


def is_complete(cluster: Runtime, context: Context) -> bool:
    """Whether every member is a living node and all services run."""
    try:
        return not cluster.stopped_services() and not missing(
            cluster.members(), list_nodes(context.dashboard)
        )
    except Unavailable:
        return False
