"""The report page: one self-contained file."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from html import escape

from ..results.history import JobRecord
from . import charts
from .scaling import Scaling, scalings
from .summary import HEADINGS, Run, cells, markdown, newest, run_of, with_unit

EXTRAPOLATED = (3, 8, 16, 48)  # worker CPUs whose predicted speed-up is given in the text

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
    """The page as HTML: the last run of each job, and every size of a job that ran on several."""
    runs = [run_of(record) for record in records]
    latest, scaled = newest(runs), scalings(runs)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Jobs on Ray</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>Jobs on Ray</h1><p class=note>{escape(overview(records))}</p>",
        *summary(latest),
        *(scaling_section(scaled) if scaled else ()),
        *timelines([run for run in latest if run.tasks]),
        *curves([run for run in latest if run.curves]),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def text(records: Sequence[JobRecord]) -> str:
    """The page as Markdown, without charts."""
    runs = [run_of(record) for record in records]
    scaled = scalings(runs)
    lines = ["# Jobs on Ray", "", overview(records), "", markdown(newest(runs))]
    if scaled:
        lines += [
            "## Scaling",
            "",
            *(line for result in scaled for line in (scaling_table(result), describe(result), "")),
        ]
    return "\n".join(lines).rstrip() + "\n"


def overview(records: Sequence[JobRecord]) -> str:
    """How many runs, when, and on which targets."""
    span = min(record.started for record in records), max(record.ended for record in records)
    first, last = (time.strftime("%Y-%m-%d %H:%M", time.localtime(moment)) for moment in span)
    targets = sorted({record.target for record in records})
    cores = max(record.cores for record in records)
    shared = f"; all nodes share this machine's {cores} cores" if cores else ""
    runs = "1 run" if len(records) == 1 else f"{len(records)} runs"
    return f"{runs}, {first} to {last}, target {', '.join(targets)}{shared}."


def summary(runs: Sequence[Run]) -> Iterable[str]:
    """Yield the speed-up chart and the table of runs."""
    if any(run.speed_up for run in runs):
        yield "<h2>Speed-up with Ray</h2>"
        yield (
            "<p class=note>The last run of each job that was also run without Ray, on one CPU of a worker "
            "(<code>--compare</code>). Short jobs, and nodes that advertise more CPUs than the machine has cores, "
            "stay below the mark.</p>"
        )
        yield charts.speed_ups(runs)
    yield "<h2>Runs</h2><div class=wide><table>"
    yield f"<tr>{''.join(f'<th>{escape(heading)}</th>' for heading in HEADINGS)}</tr>"
    for run in runs:
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells(run))}</tr>"
    yield "</table></div>"
    yield (
        "<p class=note>nodes: worker pools, with the number of tasks on each node. memory: peak of the largest "
        "worker process. efficiency: speed-up / CPUs.</p>"
    )


def scaling_section(scaled: Sequence[Scaling]) -> Iterable[str]:
    """Yield a chart and a description for each job that ran on several sizes."""
    yield "<h2>Scaling</h2>"
    yield (
        "<p class=note>The same work on different numbers of CPUs. The model takes the serial part, the tasks and "
        "the gaps between them from the smallest run, and schedules these tasks on more CPUs. Its error is given "
        "for the other sizes.</p>"
    )
    for result in scaled:
        yield f"<h3>{escape(result.job)}: {escape(result.data)}</h3>"
        yield charts.scaling(result)
        yield f"<p class=note>{escape(describe(result))}</p>"


def scaling_table(result: Scaling) -> str:
    """The measured and predicted seconds as a Markdown table."""
    rows = "".join(
        f"| {point.cpus} | {with_unit(point.seconds, 's')} | {with_unit(point.predicted, 's')} "
        f"({point.error:+.0%}) | {with_unit(point.shared, 's')} ({point.shared_error:+.0%}) |\n"
        for point in result.points
    )
    return (
        f"**{result.job}**, {result.data}\n\n| CPUs | measured | model, one core per CPU "
        f"| model, {result.model.cores or 'own'} cores |\n| --- | --- | --- | --- |\n{rows}"
    )


def describe(result: Scaling) -> str:
    """The model, its error and its predictions in words."""
    model, count = result.model, len(result.model.tasks)
    shared = (
        f" The nodes share {model.cores} cores: beyond that, tasks that compute only slow each other down."
        if model.cores and result.points[-1].cpus > model.cores
        else ""
    )
    predicted = ", ".join(f"{model.speed_up(cpus):.1f}× on {cpus}" for cpus in EXTRAPOLATED)
    return (
        f"Serial part {model.serial:.2f} s, {count} tasks of {sum(model.tasks) / count:.2f} s on average, "
        f"{1000 * model.gap:.0f} ms between tasks. The model is off by at most {result.worst:.0%} on the measured "
        f"sizes.{shared} With one core per CPU it predicts {predicted}."
    )


def timelines(runs: Sequence[Run]) -> Iterable[str]:
    """Yield a timeline of the tasks of each run."""
    if runs:
        yield "<h2>Task timelines</h2><p class=note>One bar per task, one lane per CPU.</p>"
    for run in runs:
        yield f"<h3>{escape(run.job)}</h3>"
        yield charts.timeline(run)


def curves(runs: Sequence[Run]) -> Iterable[str]:
    """Yield the charts that the jobs themselves report."""
    if runs:
        yield "<h2>Curves</h2>"
    for run in runs:
        yield f"<h3>{escape(run.job)}</h3>"
        yield charts.curves(run)
