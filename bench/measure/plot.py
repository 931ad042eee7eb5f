"""Draws the plot: every ratio and its goal on a log axis, and the distribution of log line delays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.measure.report import Report
from bench.measure.statistics import Comparison, Of

OURS, STOCK, AIM, GREY = "#0b6e4f", "#b5482a", "#333333", "#8a8a8a"


def draw(results: Report, path: Path) -> None:
    """Write the plot. The file extension determines the format."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "raydock"  # the same results produce the same file
    from matplotlib import pyplot

    rows = [
        row for one in results.measurements for row in one.rows if row.ratio is not None and row.ratio > 0
    ]
    lags = [row for row in rows if len(row.ours.values) > len(row.ours.runs)][:1]
    height = 1.9 + 0.42 * max(len(rows), 5)
    figure, axes = pyplot.subplots(
        1,
        1 + len(lags),
        figsize=(7.5 + 4 * len(lags), height),
        width_ratios=[1.1] + [1] * len(lags),
        squeeze=False,
    )
    draw_ratios(axes[0][0], rows)
    if lags:
        draw_lags(axes[0][1], lags[0])
    figure.tight_layout(w_pad=2)
    figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def draw_ratios(axis: Any, rows: list[Comparison]) -> None:
    """One dot per row, with p25–p75 of the pairs' ratios and a bar at the goal."""
    for place, row in enumerate(reversed(rows)):
        ratio = row.ratio or 1.0
        colour = STOCK if row.met is False else OURS if row.met else GREY
        if row.ratio_spread:
            axis.plot(
                row.ratio_spread, [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt"
            )
        axis.plot(ratio, place, "o", color=colour, markersize=6)
        axis.annotate(
            f"{ratio:.2g}", (ratio, place), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
        if row.aim and row.aim.of is Of.RATIO:
            axis.plot([row.aim.most] * 2, [place - 0.35, place + 0.35], color=AIM, linewidth=2)
    axis.plot([], [], color=AIM, linewidth=2, label="aim (maximum)")
    for label, colour in (("aim met", OURS), ("aim missed", STOCK), ("no aim", GREY)):
        axis.plot([], [], "o", color=colour, markersize=6, label=label)
    axis.axvline(1, color=GREY, linewidth=0.8, linestyle="--")
    axis.set_xscale("log")
    axis.set_ylim(-0.7, len(rows) - 0.3)
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, 0.02), max(high, 2))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_yticks(range(len(rows)), [row.what.replace("`", "") for row in reversed(rows)], fontsize=8)
    axis.set_xlabel("ours / stock (lower is better; dashed: equal)")
    axis.set_title("Time or bytes relative to stock", fontsize=10)
    axis.legend(loc="upper center", bbox_to_anchor=(0.3, -0.11), ncols=4, fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)


def draw_lags(axis: Any, row: Comparison) -> None:
    """The cumulative distribution of log line delays, for ours and stock."""
    assert row.stock
    for name, one, colour in (("submit.py", row.ours, OURS), ("ray job submit", row.stock, STOCK)):
        values = sorted(one.values)
        shares = [place / len(values) for place in range(1, len(values) + 1)]
        axis.step(
            values, shares, where="post", color=colour, linewidth=2, label=f"{name} ({len(values):,} lines)"
        )
    for share in (0.5, 0.99):
        axis.axhline(share, color=GREY, linewidth=0.8, linestyle=":")
        axis.annotate(
            f"p{share * 100:g}",
            (1, share),
            (2, 0),
            ("axes fraction", "data"),
            "offset points",
            fontsize=8,
            va="center",
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_ylim(0, 1.04)
    axis.set_xlabel("seconds from print to arrival")
    axis.set_ylabel("share of lines that have arrived")
    axis.set_title("Log line lag", fontsize=10)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=2, fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
