"""Runs benchmarks in pairs: ours and stock run one after the other, in alternating order.

Drift, such as a machine that warms up or a change in load, then affects both equally.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """The parameters for a benchmark."""

    address: str  # the dashboard's; empty if the benchmark needs no cluster
    pairs: int
    say: Callable[[str], None]  # prints one line of progress
    quick: bool = False  # a small selection of cases, to try the benchmark
    output: Path | None = None  # a folder for files other than the rows


def alternate(
    setting: Setting, ours: Callable[[], T], stock: Callable[[], T], show: Callable[[T], str]
) -> tuple[list[T], list[T]]:
    """Run both in pairs, after one unmeasured run each to warm up caches. Returns the results for ours and stock."""
    ours(), stock()
    taken: dict[str, list[T]] = {"ours": [], "stock": []}
    runs = {"ours": ours, "stock": stock}
    for pair, order in enumerate(orders(setting.pairs), 1):
        for side in order:
            taken[side].append(runs[side]())
        shown = ", ".join(f"{side} {show(taken[side][-1])}" for side in order)
        setting.say(f"  pair {pair} of {setting.pairs}: {shown}")
    return taken["ours"], taken["stock"]


def orders(pairs: int) -> Iterator[tuple[str, str]]:
    """The order within each pair."""
    for pair in range(pairs):
        yield ("stock", "ours") if pair % 2 else ("ours", "stock")


def seconds(value: float) -> str:
    """Format a duration."""
    return f"{value:.3f} s"
