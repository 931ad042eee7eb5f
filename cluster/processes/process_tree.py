"""The processes of one cluster, and nobody else's.

A process is the cluster's if its environment carries the cluster's mark, which every process of Ray and
of a job inherits, or if it descends from such a process. So a process id that the system has given to a
stranger since is never taken for ours, and what lost its parent in a crash is found all the same.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from cluster.errors import Leftover

MARK = "RAYDOCK_CLUSTER"
NODE = "RAYDOCK_NODE"
TERM_SECONDS = 5.0  # a raylet that is told to end signs off within a second or two
KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Owned:
    """The processes that carry the mark of one cluster; with `node`, those of one node of it."""

    cluster: str
    node: str = ""

    def processes(self) -> list[Any]:
        """Every living one as a psutil.Process, which checks the start time before it sends a signal."""
        found = {process.pid: process for process in psutil.process_iter() if self.marked(process)}
        for process in list(found.values()):
            found |= {child.pid: child for child in descendants(process)}
        # A job of the cluster may run us.
        ourselves = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        return [process for pid, process in found.items() if pid not in ourselves and lives(process)]

    def marked(self, process: Any) -> bool:
        try:
            environ = process.environ()
        except (psutil.Error, OSError):
            return False
        return bool(environ.get(MARK) == self.cluster and self.node in ("", environ.get(NODE)))

    def has(self, pid: int) -> bool:
        """Whether the process of that id lives and carries the mark."""
        try:
            process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            return False
        return self.marked(process) and lives(process)

    def end(self) -> int:
        """Ends all of them, gently and then for good; returns how many. Leftover if one survives."""
        first = self.processes()
        for process in first:
            if is_starter(process):
                signal(process, "terminate")
        self.wait(TERM_SECONDS)
        deadline = time.monotonic() + KILL_SECONDS
        while rest := self.processes() or self.late():
            if time.monotonic() > deadline:
                ids = ", ".join(str(process.pid) for process in rest)
                raise Leftover(f"Processes that could not be ended: {ids}.", "Try again: make cluster-down")
            for process in rest:
                signal(process, "kill")
            psutil.wait_procs(rest, timeout=1)
        return len(first)

    def late(self) -> list[Any]:
        """A second look: a process that was just starting has no environment to be seen for a moment."""
        time.sleep(0.05)
        return self.processes()

    def wait(self, seconds: float) -> None:
        """Until all have ended, at most that long."""
        psutil.wait_procs(self.processes(), timeout=seconds)


def is_starter(process: Any) -> bool:
    """Whether it leads a session: our `ray start --block`, which ends its own children when told to."""
    try:
        return bool(os.getsid(process.pid) == process.pid)
    except OSError:
        return False


def lives(process: Any) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def descendants(process: Any) -> list[Any]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def signal(process: Any, how: str) -> None:
    with suppress(psutil.NoSuchProcess):
        getattr(process, how)()
