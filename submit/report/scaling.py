"""How a job scales: measurements on different numbers of CPUs, and a simple model. Pure.

The model takes three things from the run on the fewest CPUs: the serial part (seconds before the first task
and after the last), the duration of each task, and the idle time between two tasks on one CPU. On n CPUs the
tasks are assigned in order, each to the first CPU that becomes free (Graham 1966, list scheduling):

    seconds(n) = serial + makespan(task + gap, n)

It assumes one core per CPU. If the nodes share a machine with fewer cores than they advertise CPUs, tasks that
compute slow each other down, and so does starting the worker processes, which is most of the serial part;
`shared` then stretches both by n / cores. The model ignores memory bandwidth and the network.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .run import Run

CLOCK_SKEW = 0.05  # seconds
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # CPUs; 48 is three n1-standard-16 nodes


@dataclass(frozen=True, slots=True)
class Model:
    """A model of one job. All fields but `cores` are in seconds."""

    serial: float
    gap: float
    tasks: tuple[float, ...]
    cores: int  # of the machine shared by all nodes; 0 if each node has its own

    def seconds(self, cpus: int, shared: bool = False) -> float:
        """Predicted seconds for a run on this many CPUs."""
        slower = max(1.0, cpus / self.cores) if shared and self.cores else 1.0
        return slower * self.serial + makespan([slower * task + self.gap for task in self.tasks], cpus)

    def speed_up(self, cpus: int, shared: bool = False) -> float:
        """Predicted speed-up over one CPU."""
        whole = self.seconds(cpus, shared)
        return self.seconds(1) / whole if whole else 1.0


@dataclass(frozen=True, slots=True)
class Point:
    """A measured run, with the model's prediction for its size. Times are in seconds."""

    cpus: int
    seconds: float
    predicted: float
    shared: float  # predicted for the cores that this machine has

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted / self.seconds - 1

    @property
    def shared_error(self) -> float:
        """Relative error of the prediction for shared cores."""
        return self.shared / self.seconds - 1


@dataclass(frozen=True, slots=True)
class Scaling:
    """One job on different numbers of CPUs. The model is fitted to the first point, so ignore that point's error."""

    job: str
    data: str
    model: Model
    points: tuple[Point, ...]

    @property
    def worst(self) -> float:
        """The largest absolute error on the sizes that the model was not fitted to, for shared cores."""
        return max((abs(point.shared_error) for point in self.points[1:]), default=0.0)

    @property
    def shares_cores(self) -> bool:
        """Whether the largest run had more CPUs than the machine has cores."""
        return 0 < self.model.cores < self.points[-1].cpus

    @property
    def speed_ups(self) -> list[float]:
        """Each point's measured speed-up over one CPU. If no run used one CPU, the model predicts that baseline."""
        first = self.points[0]
        return [first.seconds / point.seconds * self.model.speed_up(first.cpus) for point in self.points]


def scalings(runs: Iterable[Run]) -> list[Scaling]:
    """The scaling of each job that ran on at least two numbers of CPUs, using the last run on each number."""
    groups: dict[tuple[str, str, str], dict[int, Run]] = defaultdict(dict)
    for run in runs:
        if run.cpus and run.ray and run.tasks:
            groups[run.kind][run.cpus] = run
    return [scaling(sizes) for sizes in groups.values() if len(sizes) > 1]


def scaling(sizes: Mapping[int, Run]) -> Scaling:
    """The points of one job, and the model fitted to the smallest."""
    runs = [sizes[cpus] for cpus in sorted(sizes)]
    model = model_of(runs[0])
    points = [
        Point(run.cpus, run.ray or 0.0, model.seconds(run.cpus), model.seconds(run.cpus, True))
        for run in runs
    ]
    return Scaling(runs[0].job, runs[0].data, model, tuple(points))


def model_of(run: Run) -> Model:
    """The model of one run. Tasks that only wait (the job reports `computes: false`) don't compete for cores."""
    tasks, total = run.tasks, run.ray or 0.0
    span = max(float(task["end"]) for task in tasks) - min(float(task["start"]) for task in tasks)
    return Model(
        serial=max(total - span, 0.0),
        gap=mean_gap(tasks),
        tasks=tuple(float(task["end"]) - float(task["start"]) for task in tasks),
        cores=run.cores,
    )


def mean_gap(tasks: Sequence[Mapping[str, Any]]) -> float:
    """Mean idle seconds between tasks on one CPU. A node's tasks are assigned to its CPUs by their times."""
    gaps = []
    by_node: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for task in tasks:
        by_node[str(task["node"])].append(task)
    for own in by_node.values():
        for lane in lanes(own):
            gaps += [max(float(b["start"]) - float(a["end"]), 0.0) for a, b in pairwise(lane)]
    return sum(gaps) / len(tasks) if gaps else 0.0


def lanes(tasks: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Assign tasks to as few lanes as possible, so that no two tasks in a lane overlap noticeably."""
    found: list[list[Mapping[str, Any]]] = []
    for task in sorted(tasks, key=lambda task: float(task["start"])):
        free = [lane for lane in found if not overlaps(lane[-1], task)]
        if free:
            max(free, key=lambda lane: float(lane[-1]["end"])).append(task)
        else:
            found.append([task])
    return found


def overlaps(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two tasks ran at the same time.

    Clock skew and rounding can make a task appear to start before its predecessor on the same CPU has finished, by up
    to 47 ms with joblib's actors. Such a small overlap counts only if the tasks themselves are that short.
    """
    shorter = min(float(task["end"]) - float(task["start"]) for task in (first, second))
    return float(first["end"]) - float(second["start"]) > min(CLOCK_SKEW, shorter / 5)


def makespan(tasks: Iterable[float], cpus: int) -> float:
    """Seconds until the last task finishes if tasks run in order, each on the first CPU that becomes free."""
    free = [0.0] * max(cpus, 1)
    for task in tasks:
        heapq.heappush(free, heapq.heappop(free) + task)
    return max(free)
