"""Tables of runs, as HTML and as Markdown, without empty columns. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raydock.pages.html import Html, element, join
from raydock.terminal.printable import printable
from raydock.units import duration

from .quantities import mebibytes, times
from .run import Run

METRICS = 4  # shown in a table; the job's own page shows all
LONG = "%Y-%m-%d %H:%M"
LONGEST = 120  # characters of text in a table cell


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `text` is "" for a run that did not report it."""

    heading: str
    text: Callable[[Run], str]
    class_: str = "number"  # in raydock/pages/page.css


def filled(value: float | None, written: Callable[[float], str]) -> str:
    """The value as text; empty for None."""
    return "" if value is None else written(value)


def short(text: str, limit: int = LONGEST) -> str:
    """The text, cut to `limit` characters including an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def started(run: Run, form: str = LONG) -> str:
    """When the job started, in local time."""
    return when(run.record.started, form) if run.record.started else ""


def when(moment: float, form: str = LONG) -> str:
    """A local time, from seconds since the epoch."""
    return time.strftime(form, time.localtime(moment))


def metrics(run: Run) -> str:
    """The first metrics."""
    shown = [f"{name} {value}" for name, value in run.metrics[:METRICS]]
    more = len(run.metrics) - len(shown)
    return ", ".join(short(text) for text in shown) + (f" and {more} more" if more else "")


COLUMNS = (
    Column("started", lambda run: started(run, "%b %d %H:%M"), "moment"),
    Column("CPUs", lambda run: str(run.cpus or "")),
    Column("whole job", lambda run: filled(run.total, duration)),
    Column("without Ray", lambda run: filled(run.alone, duration)),
    Column("with Ray", lambda run: filled(run.ray, duration)),
    Column("speed-up", lambda run: filled(run.speed_up, times)),
    Column("memory", lambda run: filled(run.peak_memory, mebibytes)),
    Column("result", metrics, "text"),
)


def columns(runs: Sequence[Run]) -> list[Column]:
    """The columns that at least one run fills."""
    return [column for column in COLUMNS if any(column.text(run) for run in runs)]


def html(runs: Sequence[Run], caption: str, name: Callable[[Run], Html]) -> Html:
    """The runs as a table; `name` returns the first cell of a row."""
    shown = columns(runs)
    headings = [
        element("th", column.heading, scope="col", class_=column.class_, role="columnheader")
        for column in shown
    ]
    head = element("tr", element("th", "job", scope="col", role="columnheader"), *headings, role="row")
    body = [
        element("tr", element("th", name(run), scope="row", role="rowheader"), *cells(run, shown), role="row")
        for run in runs
    ]
    # A narrow screen shows each row as a card; the roles keep it a table for screen readers.
    return element(
        "table",
        element("caption", caption),
        element("thead", head, role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        class_="cards",
        role="table",
    )


def cells(run: Run, shown: Sequence[Column]) -> list[Html]:
    """The cells of a row after its name."""
    return [
        element("td", column.text(run), class_=column.class_, data_label=column.heading, role="cell")
        for column in shown
    ]


def plain(headings: Sequence[str], body: Sequence[Sequence[object]], caption: str) -> Html:
    """A small table of values; the first column labels the rows."""
    head = element("tr", *(element("th", heading, scope="col") for heading in headings))
    lines = [
        element("tr", element("th", first, scope="row"), *(element("td", value) for value in rest))
        for first, *rest in body
    ]
    return element(
        "table", element("caption", caption), element("thead", head), element("tbody", join(*lines))
    )


def markdown(runs: Sequence[Run]) -> str:
    """The runs as a Markdown table."""
    shown = columns(runs)
    lines = [
        ["job", *(column.heading for column in shown)],
        ["---"] * (len(shown) + 1),
        *(
            [run.job + " (smoke test)" * run.is_smoke_test, *(column.text(run) for column in shown)]
            for run in runs
        ),
    ]
    return "".join(f"| {' | '.join(markdown_cell(cell) for cell in line)} |\n" for line in lines)


def markdown_cell(text: str) -> str:
    """The text as one cell, without markup: Markdown viewers render HTML."""
    return printable(text).replace("|", "/").replace("<", "&lt;")
