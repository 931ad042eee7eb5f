"""Pairs: ours and stock one after the other, the order turned round from pair to pair.

What drifts (a warming machine, a neighbour's load) then touches both alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a measurement is given."""

    address: str  # of the dashboard; empty for one that needs no cluster
    pairs: int
    say: Callable[[str], None]  # shows one line of progress


def alternated(
    setting: Setting, ours: Callable[[], T], stock: Callable[[], T], show: Callable[[T], str]
) -> tuple[list[T], list[T]]:
    """What each way gave, after one unmeasured run of each that warms caches."""
    ours(), stock()
    taken: dict[str, list[T]] = {"ours": [], "stock": []}
    ways = {"ours": ours, "stock": stock}
    for pair, order in enumerate(orders(setting.pairs), 1):
        for way in order:
            taken[way].append(ways[way]())
        shown = ", ".join(f"{way} {show(taken[way][-1])}" for way in order)
        setting.say(f"  pair {pair} of {setting.pairs}: {shown}")
    return taken["ours"], taken["stock"]


def orders(pairs: int) -> Iterator[tuple[str, str]]:
    """Who goes first in each pair."""
    for pair in range(pairs):
        yield ("stock", "ours") if pair % 2 else ("ours", "stock")


def seconds(value: float) -> str:
    """A time for a line of progress."""
    return f"{value:.3f} s"
