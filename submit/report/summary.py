"""The runs as table rows: what was computed, on which nodes, how long it took, and the speed-up. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydock.answers import rows
from raydock.units import counted

from ..results.fields import Pool, fields_of, number
from ..results.history import JobRecord

HEADINGS = (
    "job",
    "data",
    "nodes",
    "CPUs",
    "without Ray",
    "with Ray",
    "speed-up",
    "efficiency",
    "memory",
    "metrics",
)
IGNORED_ARGUMENTS = frozenset({"--compare", "--no-compare"})  # arguments that do not change what is computed


@dataclass(frozen=True, slots=True)
class Run:
    """One run, with the fields of its result; None for what the job did not report."""

    record: JobRecord
    job: str
    data: str
    nodes: tuple[str, ...]  # one text per pool, with the number of tasks on each node
    cpus: int
    alone: float | None  # seconds without Ray, on one CPU of a worker
    ray: float | None  # seconds with Ray
    speed_up: float | None
    peak_memory: float | None  # MiB
    metrics: Mapping[str, Any]

    @property
    def efficiency(self) -> float | None:
        """Speed-up per CPU used."""
        return self.speed_up / self.cpus if self.speed_up and self.cpus else None

    @property
    def kind(self) -> tuple[str, str, str]:
        """What identifies the work: runs with the same job, arguments and data are comparable."""
        try:
            words = [word for word in shlex.split(self.record.entrypoint) if word not in IGNORED_ARGUMENTS]
        except ValueError:  # an unclosed quote: another client submitted it
            words = [self.record.entrypoint]
        return self.job, " ".join(words), self.data

    @property
    def tasks(self) -> tuple[Mapping[str, Any], ...]:
        """The valid tasks, ordered by start. Times are in seconds."""
        reported = self.record.result.get("tasks")
        valid = [task for task in reported if is_task(task)] if isinstance(reported, list) else []
        return tuple(sorted(valid, key=lambda task: float(task["start"])))

    @property
    def curves(self) -> tuple[Mapping[str, Any], ...]:
        """The valid charts that the job reports: a title, names of the axes, and lines of [x, y]."""
        reported = self.record.result.get("curves")
        return tuple(curve for curve in reported if is_curve(curve)) if isinstance(reported, list) else ()

    def node_name(self, node: str) -> str:
        """The pool and name of a node, given its id."""
        nodes = rows(self.record.result.get("nodes"))
        match = next((entry for entry in nodes if entry.get("id") == node), {"node": node[:8]})
        name, pool = str(match.get("node")), str(match.get("pool") or "")
        return name if name.startswith(pool) else f"{pool} {name}"


def is_task(task: object) -> bool:
    """Whether it has a node, a start and an end that is not before the start."""
    return (
        isinstance(task, Mapping)
        and isinstance(task.get("node"), str)
        and all(number(task.get(key)) is not None for key in ("start", "end"))
        and task["end"] >= task["start"]
    )


def is_curve(curve: object) -> bool:
    """Whether it has lines, each a list of points."""
    if not isinstance(curve, Mapping) or not isinstance(curve.get("lines"), Mapping):
        return False
    lines = list(curve["lines"].values())
    return bool(lines) and all(isinstance(line, list) and line and all(map(is_point, line)) for line in lines)


def is_point(point: object) -> bool:
    """Whether it is a list of two numbers."""
    return isinstance(point, list) and len(point) == 2 and all(number(value) is not None for value in point)


def run_of(record: JobRecord) -> Run:
    """Extract a run from a record. Tolerates any RESULT: scripts may print one in a form of their own."""
    fields = fields_of(record.result, record.entrypoint, record.workers)
    return Run(
        record=record,
        job=fields.job or record.submission_id,
        data=fields.data,
        nodes=pools(record.result.get("nodes")) or tuple(map(nodes_of, record.workers.pools)),
        cpus=fields.cpus,
        alone=fields.alone,
        ray=fields.ray,
        speed_up=fields.speed_up,
        peak_memory=fields.peak_memory_mib,
        metrics=fields.metrics,
    )


def nodes_of(pool: Pool) -> str:
    """A pool of the cluster, for a job that does not report which nodes did work: "cpu-worker (2 nodes)"."""
    return f"{pool.name} ({counted(pool.nodes, 'node')})"


def pools(nodes: object) -> tuple[str, ...]:
    """The number of tasks on each node, by pool: "cpu-worker 25 + 24"."""
    counts: dict[str, list[str]] = {}
    for node in nodes if isinstance(nodes, list) else []:
        if isinstance(node, Mapping):
            pool = str(node.get("pool") or node.get("node"))
            counts.setdefault(pool, []).append(str(node.get("tasks", "?")))
    return tuple(f"{pool} {' + '.join(tasks)}" for pool, tasks in counts.items())


def newest(runs: Iterable[Run]) -> list[Run]:
    """The last run of each job, preferring runs with a measured speed-up; sorted by job."""
    best: dict[str, Run] = {}
    for run in runs:
        if run.job not in best or run.speed_up is not None or best[run.job].speed_up is None:
            best[run.job] = run
    return [best[job] for job in sorted(best)]


def cells(run: Run) -> tuple[str, ...]:
    """The table row of a run, in the order of HEADINGS."""
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
    """The value with three significant digits and its unit; no space before ×; "–" for None."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text}{unit}" if unit == "×" else f"{text} {unit}"


def flat(metrics: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Yield names and values; nested names are joined by dots, lists are skipped."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif not isinstance(value, list | tuple):
            yield f"{prefix}{name}", f"{value:.4g}" if isinstance(value, float) else str(value)


def markdown(runs: Sequence[Run]) -> str:
    """The runs as a Markdown table."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(cells(run) for run in runs)]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
