"""The page: one file, with everything in it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from html import escape

from ..results.history import JobRecord
from . import charts
from .scaling import Scaling, scalings
from .summary import HEADINGS, Run, cells, markdown, newest, run_of, with_unit

SEEDS = (3, 8, 16, 48)  # CPUs of workers that the extrapolation is told for in words

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 72rem; margin: 2rem auto;
       padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.2rem; margin-top: 2.2rem }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem }
p.note { color: #555; margin: .3rem 0 .8rem; max-width: 48rem }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto }
table { border-collapse: collapse; font-size: 13px } th, td { padding: .35rem .6rem; text-align: left;
       border-bottom: 1px solid #ddd; vertical-align: top }
td:nth-child(3) { min-width: 9rem } td:nth-child(10) { min-width: 15rem; overflow-wrap: anywhere }
td:nth-child(n+4):nth-child(-n+9) { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
th:nth-child(n+4):nth-child(-n+9) { text-align: right }
"""


def html(records: Sequence[JobRecord]) -> str:
    """The page of these records: the last run of each job, and all runs where a job ran on several sizes."""
    runs = [run_of(record) for record in records]
    latest, scaled = newest(runs), scalings(runs)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Jobs on Ray</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>Jobs on Ray</h1><p class=note>{escape(when(records))}</p>",
        *summary(latest),
        *(section_of_scaling(scaled) if scaled else ()),
        *timelines([run for run in latest if run.tasks]),
        *learning([run for run in latest if run.curves]),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def text(records: Sequence[JobRecord]) -> str:
    """The same in Markdown, without the charts."""
    runs = [run_of(record) for record in records]
    scaled = scalings(runs)
    lines = ["# Jobs on Ray", "", when(records), "", markdown(newest(runs))]
    if scaled:
        lines += [
            "## Scaling",
            "",
            *(line for one in scaled for line in (scaling_table(one), verdict(one), "")),
        ]
    return "\n".join(lines).rstrip() + "\n"


def when(records: Sequence[JobRecord]) -> str:
    """How many runs, of when, and where."""
    span = min(record.started for record in records), max(record.ended for record in records)
    first, last = (time.strftime("%Y-%m-%d %H:%M", time.localtime(one)) for one in span)
    where = sorted({record.target for record in records})
    cores = max(record.cores for record in records)
    shared = f"; all nodes share this machine's {cores} cores" if cores else ""
    runs = "1 run" if len(records) == 1 else f"{len(records)} runs"
    return f"{runs}, {first} to {last}, target {', '.join(where)}{shared}."


def summary(runs: Sequence[Run]) -> Iterable[str]:
    """The bars and the table."""
    if any(run.speed_up for run in runs):
        yield "<h2>What Ray bought</h2>"
        yield (
            "<p class=note>The last run of each job that was also run without Ray (<code>--compare</code>), on one "
            "CPU of a worker. A job that is short, or a machine with fewer cores than its nodes promise CPUs, "
            "stays under the mark.</p>"
        )
        yield charts.speed_ups(runs)
    yield "<h2>The runs</h2><div class=wide><table>"
    yield f"<tr>{''.join(f'<th>{escape(heading)}</th>' for heading in HEADINGS)}</tr>"
    for run in runs:
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells(run))}</tr>"
    yield "</table></div>"
    yield (
        "<p class=note>nodes: the pools that worked, with the tasks of each of their nodes. memory: the peak of "
        "the largest process that did the work. efficiency: speed-up / CPUs.</p>"
    )


def section_of_scaling(scaled: Sequence[Scaling]) -> Iterable[str]:
    yield "<h2>Scaling</h2>"
    yield (
        "<p class=note>The same work on several numbers of CPUs. The model has the serial part, the tasks and the "
        "gaps between them from the smallest run, and deals the tasks out to more CPUs; its error is told for "
        "the sizes that it was not made of.</p>"
    )
    for one in scaled:
        yield f"<h3>{escape(one.job)}: {escape(one.data)}</h3>"
        yield charts.scaling(one)
        yield f"<p class=note>{escape(verdict(one))}</p>"


def scaling_table(one: Scaling) -> str:
    """The points in Markdown."""
    rows = "".join(
        f"| {point.cpus} | {with_unit(point.seconds, 's')} | {with_unit(point.predicted, 's')} "
        f"({point.error:+.0%}) | {with_unit(point.shared, 's')} ({point.shared_error:+.0%}) |\n"
        for point in one.points
    )
    return (
        f"**{one.job}**, {one.data}\n\n| CPUs | measured | model, a core each | model, {one.model.cores or 'own'} "
        f"cores |\n| --- | --- | --- | --- |\n{rows}"
    )


def verdict(one: Scaling) -> str:
    """The model in words."""
    model, count = one.model, len(one.model.tasks)
    shares = (
        f" Nodes share {model.cores} cores here: beyond that number tasks that compute only slow each other down."
        if model.cores and one.points[-1].cpus > model.cores
        else ""
    )
    foreseen = ", ".join(f"{model.speed_up(cpus):.1f}× on {cpus}" for cpus in SEEDS)
    return (
        f"Serial part {model.serial:.2f} s, {count} tasks of {sum(model.tasks) / count:.2f} s on average, "
        f"{1000 * model.gap:.0f} ms between two. The model is off by at most {one.worst:.0%} on the sizes that were "
        f"measured.{shares} With a core for each CPU it foresees {foreseen}."
    )


def timelines(runs: Sequence[Run]) -> Iterable[str]:
    if runs:
        yield "<h2>Who worked when</h2><p class=note>A bar a task, a lane a CPU.</p>"
    for run in runs:
        yield f"<h3>{escape(run.job)}</h3>"
        yield charts.timeline(run)


def learning(runs: Sequence[Run]) -> Iterable[str]:
    if runs:
        yield "<h2>Curves</h2>"
    for run in runs:
        yield f"<h3>{escape(run.job)}</h3>"
        yield charts.curves(run)
