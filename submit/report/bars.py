"""The speed-ups as HTML bars that fit any width."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from raydock.pages.html import Html, element, join

from .answer import FASTER, comparison, cpus_of
from .limits import beyond_cpus, limits_of_tasks
from .quantities import times
from .run import Run

LEGEND = join(
    element("span", element("span", class_="key one"), "as fast as without Ray"),
    " ",
    element(
        "span", element("span", class_="key most"), "the maximum that its CPUs and the machine's cores allow"
    ),
)


def bars(runs: Sequence[Run], scale: float, name: Callable[[Run], Html]) -> Html:
    """One bar per run, with its timings and what limited it; `scale` is the speed-up at the bar's right end."""
    return element("ul", *(bar(run, scale, name(run)) for run in runs), class_="plain bars")


def scale_of(runs: Sequence[Run]) -> float:
    """A scale that fits all runs and the largest speed-ups that they could reach."""
    return 1.05 * max([1.0, *(float(run.most) for run in runs), *(run.speed_up or 0 for run in runs)])


def bar(run: Run, scale: float, name: Html) -> Html:
    """The bar of one run."""
    speed_up = run.speed_up or 0
    marks = element("span", class_="one", style=f"left:{percent(1 / scale)}")
    if run.most > 1:
        marks = join(marks, element("span", class_="most", style=f"left:{percent(run.most / scale)}"))
    fill = "fill" if speed_up >= FASTER else "fill slower"
    limit = f" of a possible {times(run.most)}" if run.most else ""
    return element(
        "li",
        element("div", element("span", name), element("span", times(speed_up)), class_="head"),
        element(
            "div",
            element("span", class_=fill, style=f"width:{percent(speed_up / scale)}"),
            marks,
            class_="bar",
            role="img",
            aria_label=f"{run.job}: {times(speed_up)}{limit}",
        ),
        element("p", explanation(run), class_="note"),
    )


def explanation(run: Run) -> str:
    """A run's timings, and why it was not faster: the job's own note, or what its tasks show."""
    figures = comparison(run, cpus_of(run))
    return " ".join(
        [
            *([f"{figures}."] if figures else []),
            run.note or " ".join(filter(None, (beyond_cpus(run), *limits_of_tasks(run)))),
        ]
    ).strip()


def percent(share: float) -> str:
    """A share as a CSS length."""
    return f"{100 * min(max(share, 0), 1):.2f}%"
