"""The charts of the report page, drawn by Matplotlib as SVG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

from raydock.errors import UsageError
from raydock.terminal.printable import printable

from .scaling import SIZES, Scaling, lanes
from .summary import Run, with_unit

RAY, WITHOUT_RAY, MODEL, GREY = "#0b6e4f", "#b5482a", "#2b5a9b", "#8a8a8a"
PALETTE = ("#0b6e4f", "#b5482a", "#2b5a9b", "#8f6bb0", "#c79a2b", "#4d4d4d", "#5fa777", "#d98a73", "#7da0d1")
WIDTH = 9.0  # inches


def figure(height: float, columns: int = 1) -> tuple[Any, list[Any]]:
    """A figure with axes side by side; `height` is in inches. Raises UsageError if Matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        raise UsageError(
            "The report needs Matplotlib for its charts, and it is not installed.",
            "pip install matplotlib",
        ) from None
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "raydock", "font.size": 9, "axes.titlesize": 10})
    matplotlib.rcParams["text.parse_math"] = False  # names chosen by a job may contain dollar signs
    from matplotlib import pyplot

    fig, axes = pyplot.subplots(1, columns, figsize=(WIDTH, height), squeeze=False)
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
    return fig, list(axes[0])


def svg(fig: Any) -> str:
    """The figure as an <svg> element."""
    from matplotlib import pyplot

    file = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about characters that the font lacks and titles that are too long
        fig.tight_layout()
        fig.savefig(file, format="svg", metadata={"Date": None})
    pyplot.close(fig)
    text = file.getvalue()
    return text[text.index("<svg") :]


def speed_ups(runs: Sequence[Run]) -> str:
    """One bar per job. A mark shows the number of CPUs used, which no speed-up should exceed."""
    shown = [run for run in runs if run.speed_up]
    fig, (axis,) = figure(0.9 + 0.42 * max(len(shown), 1))
    for place, run in enumerate(reversed(shown)):
        assert run.speed_up
        axis.barh(place, run.speed_up, color=RAY if run.speed_up >= 1 else WITHOUT_RAY, height=0.55)
        if run.cpus:
            axis.plot([run.cpus] * 2, [place - 0.38, place + 0.38], color="#333333", linewidth=2)
        label = f"{run.speed_up:.2f}×  ({with_unit(run.alone, 's')} → {with_unit(run.ray, 's')})"
        axis.annotate(
            label, (run.speed_up, place), (5, 0), textcoords="offset points", va="center", fontsize=8
        )
    axis.axvline(1, color=GREY, linewidth=0.8, linestyle="--")
    axis.set_yticks(range(len(shown)), [printable(run.job) for run in reversed(shown)])
    axis.set_xlim(0, 1.25 * max([run.cpus for run in shown] + [run.speed_up or 0 for run in shown] + [1]))
    axis.set_xlabel("speed-up over one CPU without Ray; mark: CPUs used")
    return svg(fig)


def scaling(result: Scaling) -> str:
    """Left: measured and modelled seconds. Right: the speed-up that the model predicts for more CPUs."""
    fig, (left, right) = figure(3.1, 2)
    measured = [point.cpus for point in result.points]
    sizes = range(1, max(measured) + 1)
    left.plot(
        sizes,
        [result.model.seconds(n) for n in sizes],
        color=MODEL,
        linestyle=":",
        label="model, one core per CPU",
    )
    if result.model.cores and max(measured) > result.model.cores:
        shared = [result.model.seconds(n, shared=True) for n in sizes]
        left.plot(sizes, shared, color=MODEL, label=f"model, {result.model.cores} shared cores")
        left.axvline(result.model.cores, color=GREY, linewidth=0.8, linestyle="--")
    left.plot(measured, [point.seconds for point in result.points], "o-", color=RAY, label="measured")
    left.set_ylim(bottom=0)
    left.set_xticks(list(sizes))
    left.set(xlabel="worker CPUs", ylabel="seconds", title=f"{printable(result.job)}: measured")
    left.legend(frameon=False, fontsize=8)
    right.plot(SIZES, SIZES, color=GREY, linewidth=0.8, linestyle="--", label="linear")
    predicted = [result.model.speed_up(n) for n in SIZES]
    right.plot(SIZES, predicted, ".-", color=MODEL, label="model, one core per CPU")
    first = result.points[0]
    speed_up = [first.seconds / point.seconds * result.model.speed_up(first.cpus) for point in result.points]
    right.plot(measured, speed_up, "o", color=RAY, label="measured")
    right.set_xscale("log", base=2)
    right.set_yscale("log", base=2)
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_formatter("{x:g}")
    right.set(xlabel="worker CPUs", ylabel="speed-up", title="extrapolated")
    right.legend(frameon=False, fontsize=8)
    return svg(fig)


def timeline(run: Run) -> str:
    """One bar per task, one lane per CPU, by node."""
    tasks = run.tasks
    begin = min(float(task["start"]) for task in tasks)
    nodes = sorted({str(task["node"]) for task in tasks}, key=run.node_name)
    rows = [
        (node, lane) for node in nodes for lane in lanes([task for task in tasks if task["node"] == node])
    ]
    fig, (axis,) = figure(0.8 + 0.36 * max(len(rows), 2))
    span = max(float(task["end"]) for task in tasks) - begin
    for place, (node, lane) in enumerate(reversed(rows)):
        for number, task in enumerate(lane):
            start, length = float(task["start"]) - begin, float(task["end"]) - float(task["start"])
            colour = PALETTE[nodes.index(node) % len(PALETTE)]
            axis.barh(place, length, left=start, height=0.7, color=colour, alpha=1 - 0.35 * (number % 2))
            name = printable(str(task.get("name", "")))
            if name and length > span * 0.014 * (len(name) + 1):
                axis.text(
                    start + length / 2, place, name, ha="center", va="center", fontsize=7, color="white"
                )
    axis.set_yticks(range(len(rows)), [printable(run.node_name(node)) for node, _ in reversed(rows)])
    axis.set(xlabel="seconds since the first task started", xlim=(0, span or 1))
    return svg(fig)


def legend(name: str) -> str:
    """A curve's name for the legend. Matplotlib omits names that start with an underscore, hence the blank."""
    return f" {printable(name)}" if name.startswith("_") else printable(name)


def curves(run: Run) -> str:
    """The charts that the job itself reports, such as learning curves and scores of trials."""
    fig, axes = figure(3.0, len(run.curves))
    for axis, curve in zip(axes, run.curves, strict=True):
        for place, (name, line) in enumerate(curve["lines"].items()):
            x, y = zip(*line, strict=True)
            axis.plot(x, y, ".-", color=PALETTE[place % len(PALETTE)], label=legend(name))
        across, up, title = (printable(str(curve.get(name, ""))) for name in ("x", "y", "title"))
        axis.set(xlabel=across, ylabel=up, title=title or printable(run.job))
        axis.legend(frameon=False, fontsize=8)
    return svg(fig)
