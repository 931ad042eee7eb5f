"""The processes runtime: the same topology without Docker, listening on 127.0.0.1 only.

Each node is one `ray start --block`, and the lab's cloud is another process (services.py). Each runs in its own
session, so it outlives this command. record.py records what was started, and process_tree.py finds the processes by
their marker.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cluster import ports, scale, status
from cluster.processes import (
    launch,
    loopback,
    process_tree,
    ray_node,
    readiness,
    record,
    services,
    startup,
    temp_dir,
)
from cluster.processes.record import NodeProcess, ProcessesRecord
from cluster.runtimes import Context, Rebuild
from cluster.state import started
from cluster.status import Member
from raydock.errors import CommandFailed, NotUp, RaydockError
from raydock.rayapi import nodes
from raydock.topology import Pool
from raydock.waiting import wait_until

RUNTIME = "processes"
START_SECONDS = 180.0  # the same as for Compose
AGAIN = "Try again: make cluster-up"


def open_cluster(context: Context) -> ProcessesCluster:
    """This checkout's cluster, run as processes. Starts nothing."""
    return ProcessesCluster(context)


@dataclass(frozen=True, slots=True)
class ProcessesCluster:
    """A cluster run as processes. Implements cluster.runtimes.Runtime and cluster.scale.Scalable."""

    context: Context

    @property
    def owned(self) -> process_tree.Owned:
        """All processes that belong to this cluster."""
        return process_tree.Owned(str(self.context.state))

    def exists(self) -> bool:
        """See Runtime.exists."""
        return self.record() is not None or (has_ray() and bool(self.owned.processes()))

    def kept_data(self) -> list[str]:
        """See Runtime.kept_data."""
        return [str(path) for path in [temp_dir.kept_data(self.context.state)] if path.exists()]

    def record(self) -> ProcessesRecord | None:
        """This cluster's record, or None."""
        return record.load(self.context.state)

    def require_record(self) -> ProcessesRecord:
        """This cluster's record. Raises NotUp if there is none."""
        if found := self.record():
            return found
        raise NotUp("No cluster is running as processes.", "Start one: make cluster-up")

    def outdated(self, rebuild: Rebuild) -> list[str]:
        """See Runtime.outdated. Only the lab's cloud is compared: the nodes run little code of this project."""
        found = self.record()
        if not found or rebuild is Rebuild.MISSING or startup.stopped_services(self.context, found):
            return []
        return [] if found.code == services.code(self.context) else [services.CLOUD]

    def up(self, rebuild: Rebuild, restart: bool = False) -> None:
        """See Runtime.up. This runtime builds no images."""
        require_ray()
        if self.head_is_running():
            for member in self.members() if restart else ():
                self.processes_of(member.name).end()
            return self.complete(bool(self.outdated(rebuild)))
        if self.exists():
            self.context.say("found a stale cluster; removing it, but keeping the lab's data")
            self.down(keep_data=True)
        ports.require_free(self.context.topology.port)
        started.begin(self.context.state, RUNTIME, self.context.chosen)
        kept = bool(self.kept_data())
        try:
            self.plan()
            self.complete()
        except RaydockError:
            self.down(keep_data=kept)
            raise

    def plan(self) -> None:
        """Record every node and port before starting anything, so that an interrupted `up` can be resumed."""
        topology = self.context.topology
        names = [(f"{pool.name}-{n + 1}", pool.name) for pool in topology.workers for n in range(pool.nodes)]
        planned = (NodeProcess("head", "head"), *(NodeProcess(name, pool) for name, pool in names))
        chosen = services.choose_ports(topology.port)
        temp = temp_dir.make(self.context.state)
        record.save(self.context.state, ProcessesRecord(temp, topology.port, planned, chosen))

    def complete(self, restart_cloud: bool = False) -> None:
        """Start the services, the head and every worker that lacks a living node, and wait until they are ready."""
        with self.context.steps.step("starting the nodes"):
            startup.ensure(self.context, self.require_record(), restart_cloud)
            self.start_head()
            self.start_workers()
        self.describe()

    def start_head(self) -> None:
        """Start the head if it is not running, and wait until it is ready. Raises NotReady."""
        if not self.head_is_running():
            self.context.steps.status("starting the head node and its dashboard")
            self.launch("head", self.context.topology.head)
        wait_until(
            self.head_status, START_SECONDS, "Starting the head node", self.context.steps.status, AGAIN
        )

    def start_workers(self) -> None:
        """Start every worker that lacks a living node, and wait until all are ready. Raises NotReady."""
        members = self.members()
        names = status.missing(members, nodes.list_nodes(self.context.dashboard))
        lost = [member for member in members if member.name in names]
        if lost:
            self.context.steps.status(f"starting {', '.join(names)}")
        for member in lost:
            self.processes_of(member.name).end()
            self.launch(member.name, self.context.topology.pool(member.pool))
        wait_until(
            self.workers_status, START_SECONDS, "Starting the workers", self.context.steps.status, AGAIN
        )

    def head_status(self) -> str:
        """What the head still needs before it is ready, or "" if it is."""
        return readiness.head(self.context, self.require_record())

    def workers_status(self) -> str:
        """Which workers are not ready yet, or "" if all are."""
        return readiness.workers(self.context, self.require_record(), self.members())

    def restart_cloud(self) -> None:
        """See Runtime.restart_cloud."""
        startup.ensure(self.context, self.require_record(), restart=True)

    def down(self, keep_data: bool = False) -> list[str]:
        """See Runtime.down. Raises Leftover."""
        require_ray()  # psutil is part of Ray's package
        state = self.context.state
        found, temps, kept = self.record(), temp_dir.existing(state), self.kept_data()
        count = self.owned.end()
        if keep_data:
            temp_dir.keep_data(state, temps)
        else:
            temp_dir.remove(kept)
        temp_dir.remove(temps)
        record.remove(state)
        data = [] if keep_data else kept
        return ([f"{count} processes"] if count else []) + temps + data + (["the record"] if found else [])

    def stopped_services(self) -> list[str]:
        """See Runtime.stopped_services."""
        found = self.record()
        return startup.stopped_services(self.context, found) if found else []

    def members(self) -> list[Member]:
        """See Runtime.members."""
        found = self.record()
        return [
            Member(node.name, node.pool, node.name, self.is_running(node), node.since)
            for node in (found.nodes if found else ())
        ]

    def processes_of(self, node: str) -> process_tree.Owned:
        """The processes that belong to one node."""
        return replace(self.owned, node=node)

    def is_running(self, node: NodeProcess) -> bool:
        """Whether the node's `ray start` is running."""
        return self.processes_of(node.name).has(node.pid)

    def head_is_running(self) -> bool:
        """Whether the head's `ray start` is running."""
        return any(member.running for member in self.members() if member.pool == "head")

    def scale(self, pool: Pool, count: int, drain_timeout: float) -> None:
        """See Runtime.scale."""
        scale.scale(self, self.context, pool, count, drain_timeout)

    def grow(self, pool: Pool, count: int) -> None:
        """See Scalable.grow. Does not wait for the new nodes."""
        names = [member.name for member in self.members() if member.pool == pool.name]
        free = (name for number in range(1, 10_000) if (name := f"{pool.name}-{number}") not in names)
        new = [next(free) for _ in range(count - len(names))]
        if new:
            self.context.steps.status(f"starting {', '.join(new)}")
        for name in new:
            self.launch(name, pool)

    def remove(self, members: Sequence[Member]) -> None:
        """See Scalable.remove."""
        for member in members:
            self.processes_of(member.name).end()
        gone = {member.name for member in members}
        found = self.require_record()
        kept = tuple(node for node in found.nodes if node.name not in gone)
        record.save(self.context.state, replace(found, nodes=kept))

    def kill(self, node: Member) -> None:
        """See Mortal.kill."""
        self.processes_of(node.name).kill()

    def start_again(self, node: Member) -> None:
        """See Mortal.start_again."""
        self.processes_of(node.name).end()
        self.launch(node.name, self.context.topology.pool(node.pool))

    def on_head(self, source: str, *arguments: str) -> str:
        """See Scalable.on_head. Raises CommandFailed if the code fails or takes longer than 60 s."""
        address = ray_node.gcs(self.require_record().head)
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", source, address, *arguments],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise CommandFailed("Ray's control store did not respond within 60 s.", "Try again") from None
        if done.returncode:
            last = "".join(done.stderr.strip().splitlines()[-1:])
            raise CommandFailed(f"A command on the head node failed: {last}.", "See: make cluster-status")
        return done.stdout

    def launch(self, name: str, pool: Pool) -> None:
        """Start one node and record it."""
        found = self.require_record()
        node = launch.launch_node(self.context, found, pool, name)
        record.save(self.context.state, found.with_node(node))

    def describe(self) -> None:
        """Write the nodes' Python, Ray and package versions to Ray's log folder, as in docker/description.py."""
        module = loopback.module(self.context.root / "docker" / "description.py")
        logs = Path(ray_node.ray_folder(self.require_record().temp), "session_latest", "logs")
        part = logs / f"{module.DESCRIPTION}.part"
        part.write_text(json.dumps(module.describe(), indent=1))
        part.replace(logs / module.DESCRIPTION)


def has_ray() -> bool:
    """Whether Ray is installed in this environment. Does not import it."""
    return importlib.util.find_spec("ray") is not None


def require_ray() -> None:
    """Raise CommandFailed if Ray is not installed in this environment."""
    if not has_ray():
        raise CommandFailed(
            f"Ray is not installed for {sys.executable}.", "Create the project's environment: make setup"
        )
