"""The runs as rows: what was computed, on what, how long, and what Ray bought. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydock.answers import rows

from ..results.history import JobRecord

HEADINGS = (
    "job",
    "data",
    "nodes",
    "CPUs",
    "alone",
    "with Ray",
    "speed-up",
    "efficiency",
    "memory",
    "metrics",
)
LARGEST = 1e15  # of what is drawn
MOST_CPUS = 4096  # a scale of so many ticks can still be drawn
OWN = frozenset({"--compare"})  # arguments that do not change what is computed


@dataclass(frozen=True, slots=True)
class Run:
    """One run, with the names of its result made plain; None where the job did not say."""

    record: JobRecord
    job: str
    data: str
    nodes: tuple[str, ...]  # a pool each, with the tasks of each of its nodes
    cpus: int
    alone: float | None  # seconds without Ray, on one CPU of a worker
    ray: float | None  # seconds with it
    speed_up: float | None
    peak_memory: float | None  # MiB
    metrics: Mapping[str, Any]

    @property
    def efficiency(self) -> float | None:
        """Speed-up for each CPU that was used."""
        return self.speed_up / self.cpus if self.speed_up and self.cpus else None

    @property
    def kind(self) -> tuple[str, str, str]:
        """What makes two runs the same work: the job, its arguments and its data."""
        try:
            words = [word for word in shlex.split(self.record.entrypoint) if word not in OWN]
        except ValueError:  # a quote is not closed: it was not sent by this submitter
            words = [self.record.entrypoint]
        return self.job, " ".join(words), self.data

    @property
    def tasks(self) -> tuple[Mapping[str, Any], ...]:
        """Tasks with a node, a start and an end, in the order of their starts."""
        told = self.record.result.get("tasks")
        found = [task for task in told if is_task(task)] if isinstance(told, list) else []
        return tuple(sorted(found, key=lambda task: float(task["start"])))

    @property
    def curves(self) -> tuple[Mapping[str, Any], ...]:
        """Charts that the job asks for: title, names of the axes, lines of [x, y]."""
        told = self.record.result.get("curves")
        return tuple(curve for curve in told if is_curve(curve)) if isinstance(told, list) else ()

    def node_name(self, node: str) -> str:
        """Pool and name of a node from its id."""
        nodes = rows(self.record.result.get("nodes"))
        found = next((one for one in nodes if one.get("id") == node), {"node": node[:8]})
        name, pool = str(found.get("node")), str(found.get("pool") or "")
        return name if name.startswith(pool) else f"{pool} {name}"


def is_task(task: object) -> bool:
    return (
        isinstance(task, Mapping)
        and isinstance(task.get("node"), str)
        and all(number(task.get(key)) is not None for key in ("start", "end"))
        and task["end"] >= task["start"]
    )


def is_curve(curve: object) -> bool:
    if not isinstance(curve, Mapping) or not isinstance(curve.get("lines"), Mapping):
        return False
    lines = list(curve["lines"].values())
    return bool(lines) and all(isinstance(line, list) and line and all(map(is_point, line)) for line in lines)


def is_point(point: object) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(number(one) is not None for one in point)


def run_of(record: JobRecord) -> Run:
    """A record, read kindly: any script may print a RESULT of its own form."""
    told = record.result
    seconds = told.get("seconds")
    seconds = seconds if isinstance(seconds, Mapping) else {"ray": seconds}
    metrics = told.get("metrics")
    cpus = int(number(told.get("cpus")) or 0)
    return Run(
        record=record,
        job=str(told.get("job") or record.submission_id),
        data=str(told.get("data") or ""),
        nodes=pools(told.get("nodes")),
        cpus=cpus if 0 <= cpus <= MOST_CPUS else 0,
        alone=duration(seconds.get("alone")),
        ray=duration(seconds.get("ray")),
        speed_up=duration(told.get("speed_up")),
        peak_memory=number(told.get("peak_memory_mib")),
        metrics=metrics if isinstance(metrics, Mapping) else {},
    )


def pools(nodes: object) -> tuple[str, ...]:
    """The nodes that worked, by pool: "cpu-worker 25 + 24"."""
    counts: dict[str, list[str]] = {}
    for one in nodes if isinstance(nodes, list) else []:
        if isinstance(one, Mapping):
            counts.setdefault(str(one.get("pool") or one.get("node")), []).append(str(one.get("tasks", "?")))
    return tuple(f"{pool} {' + '.join(tasks)}" for pool, tasks in counts.items())


def number(value: object) -> float | None:
    """A number, where it is one, and one that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
        return None
    return float(value)


def duration(value: object) -> float | None:
    """A number that is not negative."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def newest(runs: Iterable[Run]) -> list[Run]:
    """The last run of each job, one that measured a speed-up before one that did not; in the order of jobs."""
    best: dict[str, Run] = {}
    for run in runs:
        if run.job not in best or run.speed_up is not None or best[run.job].speed_up is None:
            best[run.job] = run
    return [best[job] for job in sorted(best)]


def cells(run: Run) -> tuple[str, ...]:
    """A row of the table."""
    return (
        run.job,
        run.data,
        ", ".join(run.nodes),
        str(run.cpus or "–"),
        with_unit(run.alone, "s"),
        with_unit(run.ray, "s"),
        with_unit(run.speed_up, "×"),
        f"{run.efficiency:.0%}" if run.efficiency else "–",
        with_unit(run.peak_memory, "MiB"),
        ", ".join(f"{name} {value}" for name, value in flat(run.metrics)),
    )


def with_unit(value: float | None, unit: str) -> str:
    """Three digits and the unit; × without a space."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text}{unit}" if unit == "×" else f"{text} {unit}"


def flat(metrics: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Names and values, nested names joined by a dot."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif not isinstance(value, list | tuple):
            yield f"{prefix}{name}", f"{value:.4g}" if isinstance(value, float) else str(value)


def markdown(runs: Sequence[Run]) -> str:
    """The table."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(cells(run) for run in runs)]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
