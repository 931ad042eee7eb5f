"""The page of one job: the answer first, then what limited it, its results, its nodes, its tasks and its curves."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable

from raydock.pages.document import document
from raydock.pages.html import Html, element
from raydock.terminal.printable import printable
from raydock.units import counted, duration

from . import charts, table
from .answer import comparison, run_headline
from .limits import limits, machine
from .quantities import mebibytes, times
from .run import Run
from .timeline import timeline


def html(run: Run, home: str | None) -> str:
    """The page as HTML. `home` is the address of the report on all jobs, if there is one."""
    return document(
        f"{run.record.submission_id}: raydock report",
        element("p", element("a", "All jobs", href=home), class_="note") if home else "",
        element("h1", run_headline(run)),
        *lead(run),
        *why(run),
        *results(run),
        element("h2", "The run"),
        facts(run),
        *nodes(run),
        *tasks(run),
        *curves(run),
    )


def lead(run: Run) -> Iterable[Html]:
    """Yield where the job ran and how long it took, with a warning if it was a smoke test."""
    figures = comparison(run)
    if text := " ".join(
        filter(None, (f"{figures[:1].upper()}{figures[1:]}." if figures else "", machine([run])))
    ):
        yield element("p", text, class_="lead")
    if run.is_smoke_test:
        yield element(
            "p", "This was a smoke test, which is too short for meaningful timings.", class_="alert"
        )


def why(run: Run) -> Iterable[Html]:
    """Yield the job's own explanation, and what its record shows."""
    sentences = [*([run.note] if run.note else []), *limits(run)]
    if sentences:
        yield element("h2", "Limiting factors")
        yield element("ul", *(element("li", sentence) for sentence in sentences))


def results(run: Run) -> Iterable[Html]:
    """Yield all of the job's metrics."""
    if run.metrics:
        yield element("h2", "Results")
        yield definitions((name, value) for name, value in run.metrics)


def facts(run: Run) -> Html:
    """What ran, when, where and for how long."""
    identifier = run.record.submission_id
    pairs = [
        ("submission id", element("code", identifier)),
        ("command", element("code", run.record.entrypoint)),
        ("log", element("code", f"python submit.py logs {shlex.quote(printable(identifier))}")),
        ("target", run.record.target),
        ("data", run.data),
        ("started", table.started(run)),
        ("whole job", table.filled(run.total, duration)),
        ("with Ray", table.filled(run.ray, duration)),
        ("without Ray", table.filled(run.alone, duration)),
        ("speed-up", table.filled(run.speed_up, times)),
        ("efficiency", efficiency(run)),
        (
            "memory",
            table.filled(run.peak_memory, lambda size: f"{mebibytes(size)} in the largest worker process"),
        ),
    ]
    return definitions((name, value) for name, value in pairs if value)


def efficiency(run: Run) -> str:
    """The speed-up relative to the CPUs, and to what the cores allow."""
    if not run.speed_up or not run.cpus:
        return ""
    text = f"{run.speed_up / run.cpus:.0%} of {counted(run.cpus, 'CPU')}"
    if run.most == run.cpus:
        return text
    return f"{text}; {run.speed_up / run.most:.0%} of the {times(run.most)} that {counted(run.cores, 'core')} allow"


def definitions(pairs: Iterable[tuple[object, object]]) -> Html:
    """Names and values."""
    return element(
        "dl", *(part for name, value in pairs for part in (element("dt", name), element("dd", value)))
    )


def nodes(run: Run) -> Iterable[Html]:
    """Yield the nodes, how many tasks each ran, and for how long."""
    if not run.nodes:
        return
    busy: dict[str, float] = defaultdict(float)
    for task in run.tasks:
        busy[str(task["node"])] += float(task["end"]) - float(task["start"])
    headings = ["node", "pool", "tasks", *(["time in tasks"] if busy else [])]
    body = [
        [
            node.name + (" (simulated GPU)" if node.simulated_gpu else ""),
            node.pool,
            "" if node.tasks is None else node.tasks,
            *([duration(busy[node.id])] if busy else []),
        ]
        for node in run.nodes
    ]
    yield element("h2", "Nodes")
    yield table.plain(headings, body, "The nodes that ran the job's tasks")


def tasks(run: Run) -> Iterable[Html]:
    """Yield the timeline of the job's tasks."""
    if run.tasks:
        yield element("h2", "Tasks")
        yield element(
            "p",
            "One bar per task, by node, from the start of the first task. Tasks that ran at the same time on a node "
            "are drawn below each other: a task may need less than one CPU.",
            class_="note",
        )
        yield timeline(run)


def curves(run: Run) -> Iterable[Html]:
    """Yield the charts that the job itself reports."""
    if run.curves:
        yield element("h2", "Curves")
        yield charts.curves(run)
