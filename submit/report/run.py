"""One run of a job, read from its saved record: what was computed, where, how long it took. Pure.

Nothing is assumed about a RESULT, since scripts may print anything. `results.fields` reads what the summary shows as
well; this module reads what only a page can show. Keys that the tools do not know are shown with the metrics.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from raydock.answers import rows, text

from ..results.fields import PoolUse, amount, fields_of, number
from ..results.history import JobRecord
from ..results.values import concise, is_nothing

MAX_DEPTH = 6  # names joined by dots
IGNORED_ARGUMENTS = frozenset({"--compare", "--no-compare"})  # arguments that do not change what is computed


@dataclass(frozen=True, slots=True)
class WorkerNode:
    """A node that ran tasks. `tasks` is their number, None if the job does not report it."""

    id: str
    name: str
    pool: str
    tasks: int | None
    simulated_gpu: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One run, with the fields of its result; None, 0 or empty for what the job did not report."""

    record: JobRecord
    job: str
    data: str
    note: str  # the job's own sentence about its speed-up
    words: tuple[str, ...]  # the entrypoint's
    pools: tuple[
        PoolUse, ...
    ]  # that did work; if the job does not list its nodes, all of the cluster's pools
    nodes: tuple[WorkerNode, ...]
    tasks: tuple[Mapping[str, Any], ...]  # the valid ones, ordered by start; times are in seconds
    curves: tuple[Mapping[str, Any], ...]  # charts that the job reports: a title, axes, and lines of [x, y]
    metrics: tuple[tuple[str, str], ...]
    cpus: int
    alone: float | None  # seconds without Ray, on one worker CPU
    ray: float | None  # seconds with Ray
    speed_up: float | None
    peak_memory: float | None  # MiB

    @property
    def kind(self) -> tuple[str, str, str]:
        """What identifies the work: runs with the same job, arguments and data are comparable."""
        return self.job, " ".join(word for word in self.words if word not in IGNORED_ARGUMENTS), self.data

    @property
    def is_smoke_test(self) -> bool:
        """Whether it ran with --smoke-test, and so is too short for meaningful timings."""
        return "--smoke-test" in self.words

    @property
    def total(self) -> float | None:
        """Seconds from the job's start to its end, as the cluster reports them."""
        started, ended = self.record.started, self.record.ended
        return ended - started if 0 < started <= ended else None

    @property
    def cores(self) -> int:
        """The cores that all nodes share and compete for; 0 if each has its own, or the tasks only wait."""
        return 0 if self.record.result.get("computes") is False else self.record.cores

    @property
    def most(self) -> int:
        """The largest speed-up that its CPUs, and the machine's cores, allow; 0 if unknown."""
        return min(self.cpus, self.cores or self.cpus)

    def node_name(self, node: str) -> str:
        """The pool and name of a node, given its id."""
        match = next((one for one in self.nodes if one.id == node), None)
        if match is None:
            return node[:12]
        return match.name if match.name.startswith(match.pool) else f"{match.pool} {match.name}"


def run_of(record: JobRecord) -> Run:
    """Extract a run from a record."""
    result = record.result
    fields = fields_of(result, record.entrypoint, record.workers)
    return Run(
        record=record,
        job=fields.job or record.submission_id,
        data=fields.data,
        note=text(result.get("note")),
        words=words_of(record.entrypoint),
        pools=fields.pools or record.workers.pools,
        nodes=tuple(map(node_of, rows(result.get("nodes")))),
        tasks=tuple(
            sorted(filter(is_task, rows(result.get("tasks"))), key=lambda task: float(task["start"]))
        ),
        curves=tuple(filter(is_curve, rows(result.get("curves")))),
        metrics=tuple(flat({**fields.metrics, **fields.own})),
        cpus=fields.cpus,
        alone=fields.alone,
        ray=fields.ray,
        speed_up=fields.speed_up,
        peak_memory=fields.peak_memory_mib,
    )


def words_of(entrypoint: str) -> tuple[str, ...]:
    """The words of an entrypoint."""
    try:
        return tuple(shlex.split(entrypoint))
    except ValueError:  # an unclosed quote: another client submitted it
        return (entrypoint,)


def node_of(entry: Mapping[str, Any]) -> WorkerNode:
    """A node, from its entry in a RESULT."""
    name, pool = str(entry.get("node") or ""), str(entry.get("pool") or "")
    tasks = amount(entry.get("tasks"))
    return WorkerNode(
        str(entry.get("id") or name),
        name or pool or "?",
        pool or name or "?",
        None if tasks is None else int(tasks),
        entry.get("simulated") is True,
    )


def is_task(task: Mapping[str, Any]) -> bool:
    """Whether it has a node, a start and an end that is not before the start."""
    return (
        isinstance(task.get("node"), str)
        and all(number(task.get(key)) is not None for key in ("start", "end"))
        and task["end"] >= task["start"]
    )


def is_curve(curve: Mapping[str, Any]) -> bool:
    """Whether it has lines, each a list of points."""
    if not isinstance(curve.get("lines"), Mapping):
        return False
    lines = list(curve["lines"].values())
    return bool(lines) and all(isinstance(line, list) and line and all(map(is_point, line)) for line in lines)


def is_point(point: object) -> bool:
    """Whether it is a list of two numbers."""
    return isinstance(point, list) and len(point) == 2 and all(number(value) is not None for value in point)


def flat(values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterable[tuple[str, str]]:
    """Yield names and values; nested names are joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value and depth < MAX_DEPTH:
            yield from flat(value, f"{prefix}{name}.", depth + 1)
        elif not is_nothing(value):
            yield f"{prefix}{name}", concise(name, value)
