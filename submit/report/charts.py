"""The line charts of the report, drawn by Matplotlib as SVG in the colours of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from raydock.errors import UsageError
from raydock.pages.html import Html, element, text
from raydock.terminal.printable import printable

from .run import Run
from .scaling import SIZES, Scaling
from .table import short

# The colours that Matplotlib writes, and the variables in raydock/pages/colours.css that replace them.
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
MARKERS = "osD^vP"  # so that lines differ even without colour
MAX_TICKS = 16
LONGEST_LABEL = 32  # characters
SIZE = (4.4, 2.9)  # inches: about as wide as a phone, so that text stays readable there
SETTINGS = {
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


def chart(title: str, summary: str, draw: Callable[[Any], None]) -> Html:
    """A figure whose axes `draw` fills. `summary` describes it for people who can't see it. Raises UsageError."""
    try:
        import matplotlib
    except ImportError:
        raise UsageError(
            "The report's charts need Matplotlib, which is not installed.",
            "pip install matplotlib",
        ) from None
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=SIZE)
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        drawing = svg(figure, f"{title}. {summary}")
    return element("figure", element("figcaption", title), drawing)


def svg(figure: Any, description: str) -> Html:
    """The figure as an <svg> element."""
    file = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about characters that the font lacks and labels that are too long
        figure.tight_layout()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    content = file.getvalue()
    content = content[content.index("<svg") + 4 :]
    content = re.sub("|".join(VARIABLES), lambda found: f"var(--{VARIABLES[found[0]]})", content)
    return Html(f'<svg role="img" aria-label="{text(description)}"{content}')


def scaling(result: Scaling) -> Html:
    """Measured and modelled seconds, and the speed-up that the model predicts for more CPUs."""
    measured = "Worker CPUs: " + ", ".join(f"{point.cpus}: {point.seconds:.3g} s" for point in result.points)
    predicted = f"The model predicts a speed-up of {result.model.speed_up(SIZES[-1]):.3g} on {SIZES[-1]} CPUs"
    return element(
        "div",
        chart("Measured", measured, partial(draw_seconds, result)),
        chart("Extrapolated", predicted, partial(draw_speed_up, result)),
        class_="charts",
    )


def draw_seconds(result: Scaling, axes: Any) -> None:
    """Measured seconds by number of CPUs, and the model's predictions."""
    measured, model = [point.cpus for point in result.points], result.model
    sizes = range(1, max(measured) + 1)
    axes.plot(sizes, [model.seconds(n) for n in sizes], color=MODEL, linestyle=":", label="model")
    if result.shares_cores:
        shared = [model.seconds(n, shared=True) for n in sizes]
        axes.plot(sizes, shared, color=MODEL, label=f"model, {model.cores} shared cores")
    axes.plot(measured, [point.seconds for point in result.points], "o-", color=MEASURED, label="measured")
    axes.set_ylim(bottom=0)
    if len(sizes) <= MAX_TICKS:
        axes.set_xticks(list(sizes))
    axes.set(xlabel="worker CPUs", ylabel="seconds")
    axes.legend(frameon=False)


def draw_speed_up(result: Scaling, axes: Any) -> None:
    """The model's speed-up by number of CPUs, and the measured speed-ups."""
    axes.plot(SIZES, SIZES, color=MUTED, linewidth=0.8, linestyle="--", label="linear")
    axes.plot(SIZES, [result.model.speed_up(n) for n in SIZES], ".-", color=MODEL, label="model")
    axes.plot(
        [point.cpus for point in result.points], result.speed_ups, "o", color=MEASURED, label="measured"
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set(xlabel="worker CPUs", ylabel="speed-up")
    axes.legend(frameon=False)


def curves(run: Run) -> Html:
    """The charts that the job itself reports, such as learning curves and scores of trials."""
    return element("div", *(curve_chart(run, curve) for curve in run.curves), class_="charts")


def curve_chart(run: Run, curve: Mapping[str, Any]) -> Html:
    """One chart that the job reports."""
    across, up, title = (str(curve.get(name) or "") for name in ("x", "y", "title"))
    ends = ", ".join(f"{name} ends at {line[-1][1]:.4g}" for name, line in curve["lines"].items())
    return chart(title or run.job, f"{up or 'y'} by {across or 'x'}: {ends}", partial(draw_curve, curve))


def draw_curve(curve: Mapping[str, Any], axes: Any) -> None:
    """The lines of one chart."""
    for place, (name, line) in enumerate(curve["lines"].items()):
        x, y = zip(*line, strict=True)
        style = {"color": SERIES[place % len(SERIES)], "marker": MARKERS[place % len(MARKERS)]}
        axes.plot(x, y, markersize=4, label=legend(name), **style)
    axes.set(xlabel=label(str(curve.get("x") or "")), ylabel=label(str(curve.get("y") or "")))
    axes.legend(frameon=False)


def legend(name: str) -> str:
    """A curve's name for the legend. Matplotlib omits names that start with an underscore, hence the blank."""
    shown = label(name)
    return f" {shown}" if shown.startswith("_") else shown


def label(name: str) -> str:
    """A name, shortened if necessary to fit into a chart."""
    return short(printable(name), LONGEST_LABEL)
