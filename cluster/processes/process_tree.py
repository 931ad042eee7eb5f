"""Finds and stops the processes that belong to one cluster, and no others.

A process belongs to the cluster if its environment contains the cluster's marker, which all of Ray's and the jobs'
processes inherit, or if it descends from such a process. A reused process id is therefore never mistaken for one of
the cluster's, and processes orphaned by a crash can be found.
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
TERM_SECONDS = 5.0  # after SIGTERM, a raylet unregisters within a second or two
KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Owned:
    """The processes that belong to one cluster or, if `node` is set, to one of its nodes or services."""

    cluster: str
    node: str = ""

    def processes(self) -> list[Any]:
        """All living processes, as psutil.Process objects, which check the start time before sending a signal."""
        found = {process.pid: process for process in psutil.process_iter() if self.is_marked(process)}
        for process in list(found.values()):
            found |= {child.pid: child for child in descendants(process)}
        # Leave out this process and its parents, since one of the cluster's jobs may have started it.
        ourselves = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        return [process for pid, process in found.items() if pid not in ourselves and is_alive(process)]

    def is_marked(self, process: Any) -> bool:
        """Whether the process's environment contains the marker. False if the environment can't be read."""
        try:
            environ = process.environ()
        except (psutil.Error, OSError):
            return False
        return bool(environ.get(MARK) == self.cluster and self.node in ("", environ.get(NODE)))

    def has(self, pid: int) -> bool:
        """Whether the process with this id is alive and has the marker."""
        try:
            process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            return False
        return self.is_marked(process) and is_alive(process)

    def end(self) -> int:
        """Stop all of them, with SIGTERM, then SIGKILL. Returns their number. Raises Leftover if any survive."""
        first = self.processes()
        for process in first:
            if is_session_leader(process):
                signal(process, "terminate")
        self.wait(TERM_SECONDS)
        self.kill()
        return len(first)

    def kill(self) -> None:
        """Kill all of them with SIGKILL. Raises Leftover if any survive."""
        deadline = time.monotonic() + KILL_SECONDS
        while rest := self.processes() or self.recheck():
            if time.monotonic() > deadline:
                ids = ", ".join(str(process.pid) for process in rest)
                raise Leftover(f"Could not kill these processes: {ids}.", "Try again: make cluster-down")
            for process in rest:
                signal(process, "kill")
            psutil.wait_procs(rest, timeout=1)

    def recheck(self) -> list[Any]:
        """Look again after 50 ms, because a process's environment can't be read right after it starts."""
        time.sleep(0.05)
        return self.processes()

    def wait(self, seconds: float) -> None:
        """Wait up to `seconds` for all of them to exit."""
        psutil.wait_procs(self.processes(), timeout=seconds)


def is_session_leader(process: Any) -> bool:
    """Whether the process leads a session, as `ray start --block` does, which stops its own children on SIGTERM."""
    try:
        return bool(os.getsid(process.pid) == process.pid)
    except OSError:
        return False


def is_alive(process: Any) -> bool:
    """Whether the process is running and not a zombie."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def descendants(process: Any) -> list[Any]:
    """All descendants of the process, or [] if it has exited."""
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def signal(process: Any, how: str) -> None:
    """Call `terminate` or `kill`. Does nothing if the process has exited."""
    with suppress(psutil.NoSuchProcess):
        getattr(process, how)()
