"""The report on several runs: the answer first, then the speed-ups, every run, and how the jobs scale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from raydock.pages.document import document
from raydock.pages.html import Html, element, join
from raydock.units import counted, duration

from . import bars, charts, table
from .answer import FASTER, headline, lead, newest, only_smoke_tests
from .limits import limits_of_all
from .quantities import listed
from .run import Run
from .scaling import Scaling, scalings

EXTRAPOLATED = (3, 8, 16, 48)  # the text states the predicted speed-up on these numbers of worker CPUs
TITLE = "Jobs: raydock report"


@dataclass(frozen=True, slots=True)
class Overview:
    """What a report shows: the runs, oldest first, a link to each run's page, and which records could not be read."""

    runs: Sequence[Run]
    link: Callable[[Run], str]
    unreadable: Sequence[str] = field(default=())

    def name(self, run: Run) -> Html:
        """A run's name as a link to its own page, marked if it is a smoke test."""
        linked = element("a", run.job, href=self.link(run))
        return join(linked, " ", element("span", "smoke test", class_="tag")) if run.is_smoke_test else linked


def html(report: Overview) -> str:
    """The page as HTML."""
    scaled = scalings(report.runs)
    return document(
        TITLE,
        element("h1", headline(report.runs)),
        element("p", *option_as_code(lead(report.runs)), class_="lead"),
        *speed_ups(report),
        *every_run(report),
        *(scaling_section(scaled) if scaled else ()),
    )


def text(report: Overview) -> str:
    """The page as Markdown, without charts."""
    scaled = scalings(report.runs)
    parts = [f"# {headline(report.runs)}", lead(report.runs), *limits(report.runs), overview(report)]
    lines = [table.markdown_cell(part) + "\n" for part in parts]
    lines.append(table.markdown(report.runs[::-1]))
    if scaled:
        lines.append("## Scaling\n")
        lines += [f"{scaling_table(result)}\n{table.markdown_cell(describe(result))}\n" for result in scaled]
    return "\n".join(lines).rstrip() + "\n"


def option_as_code(sentence: str) -> Iterable[object]:
    """The sentence with its option, if any, as code, so that its hyphens stay on one line."""
    before, option, after = sentence.partition("--compare")
    return before, element("code", option, class_="option") if option else "", after


def overview(report: Overview) -> str:
    """The number of runs, their dates and targets, and which records are missing."""
    runs = report.runs
    first, last = (
        table.when(moment)
        for moment in (min(run.record.started for run in runs), max(run.record.ended for run in runs))
    )
    targets = listed(sorted({run.record.target for run in runs}))
    missing = (
        f" Left out because they could not be read: {listed(list(report.unreadable))}."
        if report.unreadable
        else ""
    )
    return f"{counted(len(runs), 'run')}, {first} to {last}, target {targets}.{missing}"


def limits(runs: Sequence[Run]) -> list[str]:
    """What limited the compared jobs."""
    compared = newest(runs)
    return limits_of_all(compared) if compared else []


def speed_ups(report: Overview) -> Iterable[Html]:
    """Yield what limited the speed-ups, and a bar for each job."""
    if sentences := limits(report.runs):
        yield element("h2", "Limiting factors")
        yield element("ul", *(element("li", sentence) for sentence in sentences))
    compared = newest(report.runs)
    scale = bars.scale_of(compared)
    faster = [run for run in compared if (run.speed_up or 0) >= FASTER]
    legend: object = element("p", bars.LEGEND, class_="note legend")
    for heading, group in (("Faster with Ray", faster), ("Not faster with Ray", compared[len(faster) :])):
        if group:
            yield element("h2", heading)
            yield join(legend)
            legend = ""  # once is enough
            yield bars.bars(group, scale, report.name)
    if smoke := only_smoke_tests(report.runs):
        yield element(
            "p", f"Left out because only smoke tests were compared: {listed(smoke)}.", class_="note"
        )


def every_run(report: Overview) -> Iterable[Html]:
    """Yield the table of all runs, newest first."""
    yield element("h2", "All runs")
    yield table.html(report.runs[::-1], overview(report), report.name)


def scaling_section(scaled: Sequence[Scaling]) -> Iterable[Html]:
    """Yield charts and a description for each job that ran on clusters of several sizes."""
    yield element("h2", "Scaling")
    yield element(
        "p",
        "The same work on different numbers of CPUs. The model takes the serial part, the tasks and the gaps between "
        "them from the smallest run, and schedules these tasks on more CPUs. Its error is shown for the other sizes.",
        class_="note",
    )
    for result in scaled:
        yield element("h3", f"{result.job}: {result.data}" if result.data else result.job)
        yield charts.scaling(result)
        yield element("p", describe(result), class_="note")


def scaling_table(result: Scaling) -> str:
    """The measured and predicted seconds as a Markdown table."""
    rows = "".join(
        f"| {point.cpus} | {duration(point.seconds)} | {duration(point.predicted)} ({point.error:+.0%}) "
        f"| {duration(point.shared)} ({point.shared_error:+.0%}) |\n"
        for point in result.points
    )
    title = ", ".join(table.markdown_cell(part) for part in (f"**{result.job}**", result.data) if part)
    return (
        f"{title}\n\n| CPUs | measured | model, one core per CPU "
        f"| model, {result.model.cores or 'own'} cores |\n| --- | --- | --- | --- |\n{rows}"
    )


def describe(result: Scaling) -> str:
    """The model, its error and its predictions in words."""
    model, count = result.model, len(result.model.tasks)
    shared = (
        f" The nodes share {model.cores} cores: on more CPUs, compute-bound tasks only slow each other down."
        if result.shares_cores
        else ""
    )
    predicted = ", ".join(f"{model.speed_up(cpus):.1f}× on {cpus}" for cpus in EXTRAPOLATED)
    return (
        f"Serial part {model.serial:.2f} s, {count} tasks of {sum(model.tasks) / count:.2f} s on average, "
        f"{1000 * model.gap:.0f} ms between tasks. The model is off by at most {result.worst:.0%} on the measured "
        f"sizes.{shared} With one core per CPU it predicts {predicted}."
    )
