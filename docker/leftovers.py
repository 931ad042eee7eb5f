"""Ends what a job leaves behind on the head once its entrypoint has ended: `python leftovers.py PID`.

Ray ends a job's entrypoint and no more: what that started in a session of its own, or forked twice, would run on in the
head until the cluster ends. This runs beside `ray start`, whose process id it is given, ends with it, and reads /proc
only. Standard library only.

A process is a job's if its environment names the job (the Job API puts it there, and children inherit it), or if its
parent was that job's when it was first seen. The job runs while the process that Ray's supervisor started is there:
the one process of it whose parent is one of Ray's workers. A process that gave its environment up and its parent too,
as some servers do, is known by the score that Ray's raylet gives to its workers and that their children inherit; it is
ended when no job and no worker runs on this node.
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
CLUSTER = b"RAYDOCK_CLUSTER="  # of a cluster of processes: cluster/processes/process_tree.py
WORKER_SCORE = 1000  # Ray's worker_oom_score_adj (ray_config_def.h)
SECONDS = 2.0  # between two looks
TERM, KILL = 2, 5  # the look at which a process that is left is told to end, and from which on it is killed

Key = tuple[int, int]  # a process's id and its start time: an id is given again


@dataclass(frozen=True, slots=True)
class Process:
    key: Key
    parent: int
    score: int
    job: str  # that its environment names
    ours: bool  # of this cluster


def read(pid: int, cluster: bytes, root: Path = PROC) -> Process | None:
    """A process; None for one that has ended."""
    folder = root / str(pid)
    try:
        fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        score = int((folder / "oom_score_adj").read_bytes())
    except (OSError, ValueError):
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    environ: list[bytes] = []
    if score == WORKER_SCORE:  # no other is of a job
        with suppress(OSError):  # of another user
            environ = (folder / "environ").read_bytes().split(b"\0")
    named = next((job_of(value[len(CONFIG) :]) for value in environ if value.startswith(CONFIG)), "")
    return Process((pid, int(fields[19])), int(fields[1]), score, named, not cluster or cluster in environ)


def job_of(config: bytes) -> str:
    try:
        return str(json.loads(config)["metadata"]["job_submission_id"])
    except (ValueError, LookupError, TypeError):
        return ""


@dataclass
class Leftovers:
    """What was found out in the looks before."""

    jobs: dict[Key, str] = field(default_factory=dict)  # of each living process, "" for none
    looks: dict[Key, int] = field(default_factory=dict)  # since when a process is left

    def look(self, found: Iterable[Process]) -> list[tuple[int, signal.Signals]]:
        """The signals that are due."""
        processes = {one.key[0]: one for one in sorted(found, key=lambda one: one.key[1])}  # parents first
        jobs: dict[Key, str] = {}
        for one in processes.values():
            parent = processes.get(one.parent)
            inherited = jobs.get(parent.key, "") if parent else ""
            jobs[one.key] = self.jobs.get(one.key) or (one.job if one.ours else "") or inherited
        self.jobs = jobs
        self.looks = {key: self.looks.get(key, 0) + 1 for key in self.left(processes)}
        return [
            (pid, signal.SIGKILL if looks >= KILL else signal.SIGTERM)
            for (pid, _), looks in self.looks.items()
            if looks == TERM or looks >= KILL
        ]

    def left(self, processes: Mapping[int, Process]) -> Iterable[Key]:
        """The processes of jobs that have ended, and where nothing of Ray's works, what is nobody's."""
        nameless = {pid for pid, one in processes.items() if self.is_nameless(one)}
        workers = {pid for pid in nameless if has_raylet(pid, processes, nameless)}
        running = {job for one in processes.values() if (job := self.jobs[one.key]) and one.parent in workers}
        for pid, one in processes.items():
            job = self.jobs[one.key]
            orphan = pid in nameless and one.ours and not workers
            if orphan or (job and job not in running):
                yield one.key

    def is_nameless(self, one: Process) -> bool:
        """One of Ray's workers, or what descends from one and is no job's that is known."""
        return one.score == WORKER_SCORE and not self.jobs[one.key]


def has_raylet(pid: int, processes: Mapping[int, Process], nameless: Set[int]) -> bool:
    """Whether the process descends from a raylet; otherwise init has adopted it, or one of its parents."""
    while pid in nameless:
        pid = processes[pid].parent
    return pid != 1 and pid in processes


def snapshot(cluster: bytes, root: Path = PROC) -> list[Process]:
    pids = [int(name) for name in os.listdir(root) if name.isdigit()]
    return [one for pid in pids if pid != os.getpid() and (one := read(pid, cluster, root))]


def main(starter: int) -> None:
    own = os.environ.get("RAYDOCK_CLUSTER", "")
    cluster = CLUSTER + own.encode() if own else b""
    begun = read(starter, b"")
    leftovers = Leftovers()
    while begun and (now := read(starter, b"")) and now.key == begun.key:
        for pid, how in leftovers.look(snapshot(cluster)):
            print(f"leftovers.py: {how.name} to process {pid}, which a job left", file=sys.stderr, flush=True)
            with suppress(OSError):
                os.kill(pid, how)
        time.sleep(SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]))
