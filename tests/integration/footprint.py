"""Traces of a cluster: recorded while it runs, looked for when it is down."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cluster.processes import record
from cluster.processes.process_tree import Owned, is_alive
from tests.lab import Lab


@dataclass(frozen=True)
class Footprint:
    """Processes, paths and servers of a processes cluster. For Docker, the engine is asked instead."""

    lab: Lab
    processes: list[Any]
    paths: set[str]
    servers: set[tuple[str, int]]
    temp: str

    @classmethod
    def of(cls, lab: Lab) -> Footprint:
        if lab.kind == "docker":
            return cls(lab, [], set(), set(), "")
        found = record.load(lab.state)
        assert found is not None
        processes = owned(lab)
        noted = cls(lab, processes, in_use(processes), listening(processes), found.temp)
        assert len(noted.paths) > 10
        assert found.taken() <= {port for _, port in noted.servers}
        return noted

    def remains(self) -> list[object]:
        """Whatever is left."""
        if self.lab.kind == "docker":
            return belongings(self.lab)
        # A process that has ended and that init has not fetched yet is no longer there for anybody.
        left: list[object] = [process for process in self.processes if is_alive(process)]
        left += [path for path in {*self.paths, self.temp} if os.path.exists(path)]
        left += owned(self.lab)
        left += [word for word in asked(list(psutil.process_iter()), "cmdline") if self.temp in word]
        return left + [path for path in Path(self.lab.state).iterdir() if path.name != "lock"]


def belongings(lab: Lab) -> list[object]:
    from cluster.docker.engine import connect

    engine = connect()
    try:
        return [*engine.resources(lab.project)]
    finally:
        engine.client.close()


def owned(lab: Lab) -> list[Any]:
    return Owned(lab.env["RAYDOCK_STATE"]).processes()


def asked(processes: list[Any], question: str, *arguments: str) -> list[Any]:
    """The answers of all processes to one of psutil's questions; a worker may end while it is asked."""
    answers: list[Any] = []
    for process in processes:
        with suppress(psutil.Error, FileNotFoundError):
            answers += getattr(process, question)(*arguments)
    return answers


def listening(processes: list[Any]) -> set[tuple[str, int]]:
    """Address and port of every TCP server among them."""
    connections = asked(processes, "net_connections", "tcp")
    return {(found.laddr.ip, found.laddr.port) for found in connections if found.status == "LISTEN"}


def in_use(processes: list[Any]) -> set[str]:
    """Every path below /tmp and /dev/shm that they hold open or are bound to."""
    paths = {file.path for file in asked(processes, "open_files")}
    paths |= {found.laddr for found in asked(processes, "net_connections", "unix")}
    return {path for path in paths if isinstance(path, str) and path.startswith(("/tmp/", "/dev/shm/"))}
