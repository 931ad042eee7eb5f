"""The kind "processes": the same topology on this machine without Docker, on 127.0.0.1 only.

One `ray start --block` a node and the services of services.py, each in a session of its own, so that they
outlive this command. What they are is written down in record.py; whose they are is told by their mark, see
owned.py.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cluster import ports, scale, started, status
from cluster.kinds import Context
from cluster.processes import launch, process_tree, ray_node, readiness, record, services, startup, temp_dir
from cluster.processes.record import NodeProcess, ProcessesRecord
from cluster.status import Member
from raydock.errors import CommandFailed, NotUp, RaydockError
from raydock.rayapi import nodes
from raydock.topology import Pool
from raydock.waiting import until

KIND = "processes"
START_SECONDS = 180.0  # as long as Compose may take
AGAIN = "Try again: make cluster-up"


def open_cluster(context: Context) -> ProcessesCluster:
    return ProcessesCluster(context)


@dataclass(frozen=True, slots=True)
class ProcessesCluster:
    context: Context

    @property
    def ours(self) -> process_tree.Owned:
        return process_tree.Owned(str(self.context.state))

    def exists(self) -> bool:
        return self.record() is not None or (has_ray() and bool(self.ours.processes()))

    def record(self) -> ProcessesRecord | None:
        return record.load(self.context.state)

    def require_record(self) -> ProcessesRecord:
        if found := self.record():
            return found
        raise NotUp("No cluster of processes is up.", "Start one: make cluster-up")

    def up(self, build: bool, restart: bool = False) -> None:
        require_ray()
        if self.head_runs():
            for member in self.members() if restart else ():
                replace(self.ours, node=member.name).end()
            return self.complete()
        if self.exists():
            self.context.say("an earlier cluster ended by itself; removing what it left")
            self.down()
        ports.require_free(self.context.topology.port)
        started.begin(self.context.state, KIND, self.context.chosen)
        try:
            self.plan()
            self.complete()
        except RaydockError:
            self.down()
            raise

    def plan(self) -> None:
        """Writes down every node and port from the beginning, so that an `up` that was cut short can go on."""
        topology = self.context.topology
        names = [(f"{pool.name}-{n + 1}", pool.name) for pool in topology.workers for n in range(pool.nodes)]
        planned = (NodeProcess("head", "head"), *(NodeProcess(name, pool) for name, pool in names))
        doors = services.choose_doors(topology.port)
        temp = temp_dir.make(self.context.state)
        record.save(self.context.state, ProcessesRecord(temp, topology.port, planned, doors))

    def complete(self) -> None:
        """Starts the services, the head and every worker that is no living node; waits for each."""
        startup.ensure(self.context, self.require_record())
        if not self.head_runs():
            self.context.say("starting the head and its dashboard")
            self.spawn("head", self.context.topology.head)
        until(self.head_pending, START_SECONDS, "Starting the head", self.context.say, AGAIN)
        members = self.members()
        names = status.missing(members, nodes.list_nodes(self.context.dashboard))
        lost = [member for member in members if member.name in names]
        if lost:
            self.context.say(f"starting {', '.join(names)}")
        for member in lost:
            replace(self.ours, node=member.name).end()
            self.spawn(member.name, self.context.topology.pool(member.pool))
        self.await_workers()
        self.describe()

    def head_pending(self) -> str:
        return readiness.head(self.context, self.require_record())

    def workers_pending(self) -> str:
        return readiness.workers(self.context, self.require_record(), self.members())

    def await_workers(self) -> None:
        until(self.workers_pending, START_SECONDS, "Starting the workers", self.context.say, AGAIN)

    def restart_cloud(self) -> None:
        startup.ensure(self.context, self.require_record(), restart=True)

    def down(self) -> list[str]:
        require_ray()  # it brings psutil
        found, temps = self.record(), temp_dir.existing(self.context.state)
        count = self.ours.end()
        temp_dir.remove(temps)
        record.remove(self.context.state)
        return ([f"{count} processes"] if count else []) + temps + (["the record"] if found else [])

    def ended(self) -> list[str]:
        """The cloud, where it does not run."""
        found = self.record()
        return startup.ended(self.context, found) if found else []

    def members(self) -> list[Member]:
        found = self.record()
        return [
            Member(node.name, node.pool, node.name, self.is_running(node), node.since)
            for node in (found.nodes if found else ())
        ]

    def is_running(self, node: NodeProcess) -> bool:
        return replace(self.ours, node=node.name).has(node.pid)

    def head_runs(self) -> bool:
        return any(member.running for member in self.members() if member.pool == "head")

    def scale(self, pool: Pool, count: int, drain_timeout: float) -> None:
        scale.scale(self, self.context, pool, count, drain_timeout)

    def grow(self, pool: Pool, count: int) -> None:
        """Starts nodes until there are `count`; does not wait for them."""
        names = [member.name for member in self.members() if member.pool == pool.name]
        free = (name for number in range(1, 10_000) if (name := f"{pool.name}-{number}") not in names)
        new = [next(free) for _ in range(count - len(names))]
        if new:
            self.context.say(f"starting {', '.join(new)}")
        for name in new:
            self.spawn(name, pool)

    def remove(self, members: Sequence[Member]) -> None:
        for member in members:
            replace(self.ours, node=member.name).end()
        gone = {member.name for member in members}
        found = self.require_record()
        kept = tuple(node for node in found.nodes if node.name not in gone)
        record.save(self.context.state, replace(found, nodes=kept))

    def on_head(self, source: str, *arguments: str) -> str:
        address = ray_node.gcs(self.require_record().head)
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", source, address, *arguments],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise CommandFailed("The control store did not answer within 60 s.", "Try again") from None
        if done.returncode:
            last = "".join(done.stderr.strip().splitlines()[-1:])
            raise CommandFailed(f"A command beside the head failed: {last}.", "See: make cluster-status")
        return done.stdout

    def spawn(self, name: str, pool: Pool) -> None:
        """Starts one node and writes it down."""
        found = self.require_record()
        node = launch.spawn(self.context, found, pool, name)
        record.save(self.context.state, found.with_node(node))

    def describe(self) -> None:
        """Python, Ray and packages of the nodes, where Ray serves its logs; see docker/node.py."""
        module = ray_node.node_module(self.context.root)
        logs = Path(ray_node.ray_folder(self.require_record().temp), "session_latest", "logs")
        part = logs / f"{module.DESCRIPTION}.part"
        part.write_text(json.dumps(module.describe(), indent=1))
        part.replace(logs / module.DESCRIPTION)


def has_ray() -> bool:
    return importlib.util.find_spec("ray") is not None


def require_ray() -> None:
    if not has_ray():
        raise CommandFailed(
            f"Ray is not installed for {sys.executable}.", "Set the environment up: make setup"
        )
