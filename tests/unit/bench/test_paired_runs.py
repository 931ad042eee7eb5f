"""The order within pairs, and which runs count."""

from __future__ import annotations

from collections.abc import Callable

from bench.measure.paired_runs import Setting, alternate, orders


def test_the_order_alternates() -> None:
    assert list(orders(3)) == [("ours", "stock"), ("stock", "ours"), ("ours", "stock")]


def test_each_side_warms_up_and_then_runs_once_per_pair() -> None:
    ran: list[str] = []

    def way(name: str) -> Callable[[], int]:
        def run() -> int:
            ran.append(name)
            return len(ran)

        return run

    said: list[str] = []
    taken = alternate(Setting("", 2, said.append), way("ours"), way("stock"), str)
    assert ran == ["ours", "stock", "ours", "stock", "stock", "ours"]
    assert taken == ([3, 6], [4, 5])
    assert said == ["  pair 1 of 2: ours 3, stock 4", "  pair 2 of 2: stock 5, ours 6"]
