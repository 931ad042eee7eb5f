"""The line charts of the report, drawn by Matplotlib as SVG in the colours of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

from raydock.errors import UsageError
from raydock.pages.html import Html, element, text
from raydock.printable import printable

from .run import Run
from .scaling import SIZES, Scaling
from .table import short

# What Matplotlib writes, and the variable of raydock/pages/colours.css that takes its place.
VARIABLES = {
    "#0a0b01": "text",
    "#0a0b02": "muted",
    "#0a0b03": "faster",
    "#0a0b04": "model",
    "#0a0b05": "slower",
    "#0a0b06": "series-4",
    "#0a0b07": "series-5",
    "#0a0b08": "series-6",
}
TEXT, MUTED, MEASURED, MODEL, *OTHERS = VARIABLES
SERIES = (MEASURED, MODEL, *OTHERS)
MARKERS = "osD^vP"  # so that lines differ without colour, too
LONGEST_LABEL = 32  # characters
SIZE = (4.4, 2.9)  # inches: about as wide as a phone, so that text stays readable there


def chart(title: str, summary: str, draw: Callable[[Any], None]) -> Html:
    """A figure whose axes `draw` fills. `summary` describes it for those who don't see it. Raises UsageError."""
    try:
        import matplotlib
    except ImportError:
        raise UsageError(
            "The report needs Matplotlib for its charts, and it is not installed.",
            "pip install matplotlib",
        ) from None
    from matplotlib.figure import Figure

    settings = {
        "svg.hashsalt": "raydock",
        "svg.fonttype": "none",  # text stays text
        "text.parse_math": False,  # names chosen by a job may contain dollar signs
        "font.size": 10,
        "text.color": TEXT,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=SIZE)
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        drawing = svg(figure, f"{title}. {summary}")
    return element("figure", element("figcaption", title), drawing)


def svg(figure: Any, label: str) -> Html:
    """The figure as an <svg> element."""
    file = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about characters that the font lacks and labels that are too long
        figure.tight_layout()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    content = file.getvalue()
    content = content[content.index("<svg") + 4 :]
    content = re.sub("|".join(VARIABLES), lambda found: f"var(--{VARIABLES[found[0]]})", content)
    return Html(f'<svg role="img" aria-label="{text(label)}"{content}')


def scaling(result: Scaling) -> Html:
    """Measured and modelled seconds, and the speed-up that the model predicts for more CPUs."""
    measured = [point.cpus for point in result.points]
    summary = "Worker CPUs: " + ", ".join(f"{point.cpus}: {point.seconds:.3g} s" for point in result.points)
    predicted = f"The model predicts {result.model.speed_up(SIZES[-1]):.3g} on {SIZES[-1]} CPUs"

    def draw_seconds(axes: Any) -> None:
        sizes = range(1, max(measured) + 1)
        axes.plot(sizes, [result.model.seconds(n) for n in sizes], color=MODEL, linestyle=":", label="model")
        if result.shares_cores:
            shared = [result.model.seconds(n, shared=True) for n in sizes]
            axes.plot(sizes, shared, color=MODEL, label=f"model, {result.model.cores} shared cores")
        axes.plot(
            measured, [point.seconds for point in result.points], "o-", color=MEASURED, label="measured"
        )
        axes.set_ylim(bottom=0)
        if len(sizes) <= 16:
            axes.set_xticks(list(sizes))
        axes.set(xlabel="worker CPUs", ylabel="seconds")
        axes.legend(frameon=False)

    def draw_speed_up(axes: Any) -> None:
        axes.plot(SIZES, SIZES, color=MUTED, linewidth=0.8, linestyle="--", label="linear")
        axes.plot(SIZES, [result.model.speed_up(n) for n in SIZES], ".-", color=MODEL, label="model")
        axes.plot(measured, result.speed_ups, "o", color=MEASURED, label="measured")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
        axes.set(xlabel="worker CPUs", ylabel="speed-up")
        axes.legend(frameon=False)

    charts = chart("Measured", summary, draw_seconds), chart("Extrapolated", predicted, draw_speed_up)
    return element("div", *charts, class_="charts")


def curves(run: Run) -> Html:
    """The charts that the job itself reports, such as learning curves and scores of trials."""
    return element("div", *(curve_chart(run, curve) for curve in run.curves), class_="charts")


def curve_chart(run: Run, curve: Any) -> Html:
    """One chart of a job's own."""
    across, up, title = (str(curve.get(name) or "") for name in ("x", "y", "title"))

    def draw(axes: Any) -> None:
        for place, (name, line) in enumerate(curve["lines"].items()):
            x, y = zip(*line, strict=True)
            style = {"color": SERIES[place % len(SERIES)], "marker": MARKERS[place % len(MARKERS)]}
            axes.plot(x, y, markersize=4, label=legend(name), **style)
        axes.set(xlabel=label(across), ylabel=label(up))
        axes.legend(frameon=False)

    ends = ", ".join(f"{name} ends at {line[-1][1]:.4g}" for name, line in curve["lines"].items())
    return chart(title or run.job, f"{up or 'y'} by {across or 'x'}: {ends}", draw)


def legend(name: str) -> str:
    """A curve's name for the legend. Matplotlib omits names that start with an underscore, hence the blank."""
    shown = label(name)
    return f" {shown}" if shown.startswith("_") else shown


def label(name: str) -> str:
    """A name that fits into a chart."""
    return short(printable(name), LONGEST_LABEL)
