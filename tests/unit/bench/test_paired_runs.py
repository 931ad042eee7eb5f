"""The order of the pairs, and what is counted."""

from __future__ import annotations

from collections.abc import Callable

from bench.measure.paired_runs import Setting, alternate, orders


def test_who_goes_first_changes_from_pair_to_pair() -> None:
    assert list(orders(3)) == [("ours", "stock"), ("stock", "ours"), ("ours", "stock")]


def test_each_way_is_warmed_up_unmeasured_and_then_runs_once_a_pair_in_turns() -> None:
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
