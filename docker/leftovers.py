"""Kills processes that a job leaves behind on the head after its entrypoint exits: `python leftovers.py PID`.

Ray stops only a job's entrypoint. Processes that the entrypoint daemonized or started in a new session would keep
running until the cluster stops. This script runs alongside `ray start` (PID), exits with it, and reads only /proc. It
uses only the standard library.

A process belongs to a job if its environment contains the job's id (which the Job API sets and children inherit), or if
its parent belonged to the job when the process was first seen. A job is running as long as the process that Ray's
supervisor started exists. This is the job's only process whose parent is a Ray worker. Some servers drop both their
environment and their parent, but keep the OOM score that the raylet sets for its workers and children inherit. Such a
process is killed once no job and no worker is running on this node.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
CONFIG = b"RAY_JOB_CONFIG_JSON_ENV_VAR="
CLUSTER = b"RAYDOCK_CLUSTER="  # marks a processes cluster: cluster/processes/process_tree.py
WORKER_SCORE = 1000  # worker_oom_score_adj in Ray (ray_config_def.h)
INTERVAL = 2.0  # seconds between scans
TERM, KILL = 2, 5  # a leftover process gets SIGTERM at scan TERM, and SIGKILL from scan KILL on

Key = tuple[int, int]  # process id and start time, because ids are reused


@dataclass(frozen=True, slots=True)
class Process:
    """A process, as read from /proc."""

    key: Key
    parent: int
    score: int  # oom_score_adj
    job: str  # the job id in its environment, or "" if there is none
    ours: bool  # whether it belongs to this cluster


def read(pid: int, cluster: bytes, root: Path = PROC) -> Process | None:
    """Read a process. None if it has exited."""
    folder = root / str(pid)
    try:
        fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        score = int((folder / "oom_score_adj").read_bytes())
    except (OSError, ValueError):
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    environ: list[bytes] = []
    if score == WORKER_SCORE:  # other processes belong to no job
        with suppress(OSError):  # it may belong to another user
            environ = (folder / "environ").read_bytes().split(b"\0")
    named = next((job_of(value[len(CONFIG) :]) for value in environ if value.startswith(CONFIG)), "")
    return Process((pid, int(fields[19])), int(fields[1]), score, named, not cluster or cluster in environ)


def job_of(config: bytes) -> str:
    """The submission id in a job's configuration, or "" if there is none."""
    try:
        return str(json.loads(config)["metadata"]["job_submission_id"])
    except (ValueError, LookupError, TypeError):
        return ""


@dataclass
class Leftovers:
    """The results of earlier scans."""

    jobs: dict[Key, str] = field(default_factory=dict)  # each live process's job, or "" if it has none
    scans: dict[Key, int] = field(default_factory=dict)  # how many scans in a row found the process left over

    def scan(self, found: Iterable[Process]) -> list[tuple[int, signal.Signals]]:
        """Update the results with the current processes. Returns the signals to send, each with its process id."""
        processes = {one.key[0]: one for one in sorted(found, key=lambda one: one.key[1])}  # parents first
        jobs: dict[Key, str] = {}
        for one in processes.values():
            parent = processes.get(one.parent)
            inherited = jobs.get(parent.key, "") if parent else ""
            jobs[one.key] = self.jobs.get(one.key) or (one.job if one.ours else "") or inherited
        self.jobs = jobs
        self.scans = {key: self.scans.get(key, 0) + 1 for key in self.left(processes)}
        return [
            (pid, signal.SIGKILL if scans >= KILL else signal.SIGTERM)
            for (pid, _), scans in self.scans.items()
            if scans == TERM or scans >= KILL
        ]

    def left(self, processes: Mapping[int, Process]) -> Iterable[Key]:
        """The processes that finished jobs left behind and, if no Ray worker is running, those without a known job."""
        nameless = {pid for pid, one in processes.items() if self.is_nameless(one)}
        workers = {pid for pid in nameless if has_raylet(pid, processes, nameless)}
        running = {job for one in processes.values() if (job := self.jobs[one.key]) and one.parent in workers}
        for pid, one in processes.items():
            job = self.jobs[one.key]
            orphan = pid in nameless and one.ours and not workers
            if orphan or (job and job not in running):
                yield one.key

    def is_nameless(self, one: Process) -> bool:
        """Whether the process is a Ray worker, or a worker's descendant that belongs to no known job."""
        return one.score == WORKER_SCORE and not self.jobs[one.key]


def has_raylet(pid: int, processes: Mapping[int, Process], nameless: Set[int]) -> bool:
    """Whether a process descends from a raylet. If not, init has adopted it or one of its ancestors."""
    while pid in nameless:
        pid = processes[pid].parent
    return pid != 1 and pid in processes


def snapshot(cluster: bytes, root: Path = PROC) -> list[Process]:
    """All processes except this one."""
    pids = [int(name) for name in os.listdir(root) if name.isdigit()]
    return [one for pid in pids if pid != os.getpid() and (one := read(pid, cluster, root))]


def main(starter: int) -> None:
    """Scan until the process `starter` exits."""
    own = os.environ.get("RAYDOCK_CLUSTER", "")
    cluster = CLUSTER + own.encode() if own else b""
    begun = read(starter, b"")
    leftovers = Leftovers()
    while begun and (now := read(starter, b"")) and now.key == begun.key:
        for pid, signum in leftovers.scan(snapshot(cluster)):
            text = f"leftovers.py: sending {signum.name} to process {pid}, which a job left behind"
            print(text, file=sys.stderr, flush=True)
            with suppress(OSError):
                os.kill(pid, signum)
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
