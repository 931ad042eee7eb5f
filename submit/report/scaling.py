"""How a job scales: what was measured on several numbers of CPUs, and a simple model of it. Pure.

The model knows three things, all taken from the run on the fewest CPUs: the serial part (seconds before the
first task and after the last), how long each task took, and the idle time between two tasks of one CPU. On n
CPUs the tasks are dealt out in their order, each to the CPU that is free first (Graham 1966, list scheduling):

    seconds(n) = serial + makespan(task + gap, n)

It supposes a core for each CPU. Where nodes share a machine of fewer cores than they promise CPUs, tasks that
compute slow each other down, and so does the start of the workers' processes, which is most of the serial
part; `shared` stretches both by n / cores then. What it leaves out: memory bandwidth, and the network.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .summary import Run

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # CPUs; 48 are the three n1-standard-16 of seed 000


@dataclass(frozen=True, slots=True)
class Model:
    """All in seconds, but for `cores`."""

    serial: float
    gap: float
    tasks: tuple[float, ...]
    cores: int  # of the machine that all nodes share; 0: each node has its own

    def seconds(self, cpus: int, shared: bool = False) -> float:
        """What a run on that many CPUs takes."""
        slower = max(1.0, cpus / self.cores) if shared and self.cores else 1.0
        return slower * self.serial + makespan([slower * task + self.gap for task in self.tasks], cpus)

    def speed_up(self, cpus: int, shared: bool = False) -> float:
        """Against one CPU."""
        whole = self.seconds(cpus, shared)
        return self.seconds(1) / whole if whole else 1.0


@dataclass(frozen=True, slots=True)
class Point:
    """A measured run, and what the model says of its size."""

    cpus: int
    seconds: float
    predicted: float
    shared: float  # the same, on the cores that this machine has

    @property
    def error(self) -> float:
        """Of the prediction, as a share of what was measured."""
        return self.predicted / self.seconds - 1

    @property
    def shared_error(self) -> float:
        return self.shared / self.seconds - 1


@dataclass(frozen=True, slots=True)
class Scaling:
    """One job on several numbers of CPUs. The first point is what the model was made of: its error says nothing."""

    job: str
    data: str
    model: Model
    points: tuple[Point, ...]

    @property
    def worst(self) -> float:
        """The largest error of the model on the sizes that it was not made of; on the cores that there are."""
        return max((abs(point.shared_error) for point in self.points[1:]), default=0.0)


def scalings(runs: Iterable[Run]) -> list[Scaling]:
    """One for each work that ran on two numbers of CPUs or more; of equal runs the last counts."""
    groups: dict[tuple[str, str, str], dict[int, Run]] = defaultdict(dict)
    for run in runs:
        if run.cpus and run.ray and run.tasks:
            groups[run.kind][run.cpus] = run
    return [scaling(sizes) for sizes in groups.values() if len(sizes) > 1]


def scaling(sizes: Mapping[int, Run]) -> Scaling:
    """The points of one work, and the model made of the smallest."""
    runs = [sizes[cpus] for cpus in sorted(sizes)]
    model = model_of(runs[0])
    points = [
        Point(run.cpus, run.ray or 0.0, model.seconds(run.cpus), model.seconds(run.cpus, True))
        for run in runs
    ]
    return Scaling(runs[0].job, runs[0].data, model, tuple(points))


def model_of(run: Run) -> Model:
    """The model of one run. Tasks that only wait (the job says `computes: false`) share no cores."""
    tasks, total = run.tasks, run.ray or 0.0
    span = max(float(task["end"]) for task in tasks) - min(float(task["start"]) for task in tasks)
    waits = run.record.result.get("computes") is False
    return Model(
        serial=max(total - span, 0.0),
        gap=mean_gap(tasks),
        tasks=tuple(float(task["end"]) - float(task["start"]) for task in tasks),
        cores=0 if waits else run.record.cores,
    )


def mean_gap(tasks: Sequence[Mapping[str, Any]]) -> float:
    """Idle seconds between a task and the next on the same CPU; a node's tasks are dealt to CPUs by their times."""
    gaps = []
    by_node: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for task in tasks:
        by_node[str(task["node"])].append(task)
    for own in by_node.values():
        for lane in lanes(own):
            gaps += [max(float(b["start"]) - float(a["end"]), 0.0) for a, b in pairwise(lane)]
    return sum(gaps) / len(tasks) if gaps else 0.0


def lanes(tasks: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Tasks dealt out so that no two of a lane overlap: as few lanes as ran side by side."""
    found: list[list[Mapping[str, Any]]] = []
    for task in sorted(tasks, key=lambda task: float(task["start"])):
        free = [lane for lane in found if float(lane[-1]["end"]) <= float(task["start"])]
        if free:
            max(free, key=lambda lane: float(lane[-1]["end"])).append(task)
        else:
            found.append([task])
    return found


def makespan(tasks: Iterable[float], cpus: int) -> float:
    """When the last task ends: each goes, in its order, to the CPU that is free first."""
    free = [0.0] * max(cpus, 1)
    for task in tasks:
        heapq.heappush(free, heapq.heappop(free) + task)
    return max(free)
