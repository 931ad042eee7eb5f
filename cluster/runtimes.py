"""The runtimes that can host a cluster on this machine, and how one is chosen.

A runtime is a module that defines `open_cluster(context) -> Runtime` and is listed in RUNTIMES. Its dependencies are
imported only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
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
START_AGAIN = "To restart: make cluster-up"


@dataclass(frozen=True, slots=True)
class Context:
    """The checkout, settings and output that a runtime works with."""

    root: Path  # the checkout
    state: Path  # the state folder, .raydock by default
    settings: Mapping[str, str]
    topology: Topology
    say: Say  # prints one line
    chosen: Mapping[str, str] = field(default_factory=dict)  # sizes fitted to the machine: cluster/sizes.py
    shown: Steps | None = None  # how steps are shown on a terminal

    @property
    def steps(self) -> Steps:
        """Shows slow steps, on a terminal as one line that is updated, elsewhere as plain lines."""
        return self.shown or Steps(self.say)

    @property
    def dashboard(self) -> Gateway:
        """The cluster's gateway, with the current key."""
        return Gateway(self.topology.dashboard, key.read(self.state))


class Rebuild(Enum):
    """Which images `up` builds. The processes runtime has none."""

    MISSING = "missing"
    CHANGED = "changed"  # also those whose files changed
    ALL = "all"


class Runtime(Protocol):
    """A cluster on one runtime. Every method has a deadline and raises ClusterError on failure."""

    def exists(self) -> bool:
        """Whether any part of the cluster exists, not counting kept data. Starts nothing.

        Raises NoEngine if that can't be determined.
        """

    def kept_data(self) -> list[str]:
        """The volumes or folders that hold the lab's data while no cluster exists, if any. Raises NoEngine."""

    def outdated(self, rebuild: Rebuild) -> list[str]:
        """The running services, and pools, that `up` replaces because their code changed since they were started."""

    def up(self, rebuild: Rebuild, restart: bool = False) -> None:
        """Start whatever is missing, replace what is outdated, and return once the cluster can run a job.

        With `restart`, every node is restarted with the current settings, which kills the jobs on it.
        """

    def restart_cloud(self) -> None:
        """Restart the lab's cloud with the current settings. Jobs keep running."""

    def down(self, keep_data: bool = False) -> list[str]:
        """Stop and remove the whole cluster, even after a crash. Returns the names of the removed parts.

        With `keep_data`, the lab's buckets, objects and grants stay for the next `up`.
        """

    def members(self) -> list[Member]:
        """The containers or process groups, each of which should be one node. The head comes first."""

    def stopped_services(self) -> list[str]:
        """The services that the nodes need but that are not running, such as the lab's cloud."""

    def scale(self, pool: Pool, count: int, drain_timeout: float) -> None:
        """Resize the pool to `count` nodes. Tasks on removed nodes get `drain_timeout` seconds to finish."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen runtime and the reason for the choice."""

    runtime: str
    why: str
    sizes: str = ""  # one line about the sizes fitted to this machine


def choose(asked: str, require_engine: Callable[[], str]) -> Choice:
    """Choose Docker if it is usable, otherwise processes. `require_engine` describes the engine or raises NoEngine."""
    if asked != "auto":
        return Choice(asked, "chosen with --runtime")
    try:
        return Choice("docker", require_engine())
    except NoEngine as error:
        reason = error.message.rstrip(".")
        return Choice(
            "processes", f"{reason}. Starting the same cluster as processes on this machine, {LIMITATIONS}"
        )


def require_engine() -> str:
    """Describe this machine's Docker engine in a few words. Raises NoEngine if there is none."""
    module = import_module("cluster.docker.engine")
    engine = module.connect()
    module.find_compose()
    return f"using Docker {engine.version} at {engine.address}"


def open_runtime(name: str, context: Context) -> Runtime:
    """This checkout's cluster on the given runtime. Starts nothing."""
    return cast(Runtime, import_module(RUNTIMES[name]).open_cluster(context))


def existing(context: Context) -> Iterator[str]:
    """The runtimes on which this checkout's cluster exists. The fastest to check comes first."""
    return (name for name in reversed(RUNTIMES) if open_runtime(name, context).exists())


def current(context: Context) -> str:
    """The runtime of the running cluster. Raises NotUp if no cluster is up."""
    for name in existing(context):
        return name
    raise NotUp("No cluster is up.", "Start one: make cluster-up")


def cluster_nodes(cluster: Runtime, context: Context) -> list[Node]:
    """The nodes as `status` shows them. Raises Unavailable if the dashboard does not respond."""
    try:
        return rows(cluster.members(), list_nodes(context.dashboard))
    except Unavailable:
        if stopped := cluster.stopped_services():
            raise NotUp(stopped_message(stopped), START_AGAIN) from None
        raise


def stopped_message(services: list[str]) -> str:
    """The message that lists the lab's stopped services."""
    verb = "has" if len(services) == 1 else "have"
    return f"The lab's {' and '.join(services)} {verb} stopped, so requests from jobs will fail."


def is_complete(cluster: Runtime, context: Context) -> bool:
    """Whether every member is a living node and all services are running."""
    try:
        return not cluster.stopped_services() and not missing(
            cluster.members(), list_nodes(context.dashboard)
        )
    except Unavailable:
        return False
