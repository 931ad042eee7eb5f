"""Medians, ratios and goals."""

from __future__ import annotations

import numpy
import pytest

from bench.measure.statistics import Aim, Comparison, Of, Sample, median_interval, quantile


@pytest.mark.parametrize("count", [1, 2, 3, 10, 51])
@pytest.mark.parametrize("q", [0.0, 0.25, 0.5, 0.75, 0.99, 1.0])
def test_quantiles_match_numpy(count: int, q: float) -> None:
    values = [float((7 * n * n + 3) % 101) for n in range(count)]
    assert quantile(values, q) == pytest.approx(float(numpy.quantile(values, q)))


def test_quantile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_a_sample_with_one_value_per_run() -> None:
    sample = Sample.of([5, 1, 2, 3, 100])
    assert (sample.value, sample.spread) == (3, (2, 5))


def test_quantiles_use_all_values_and_spreads_use_the_runs() -> None:
    sample = Sample(((0, 1, 2, 3), (10, 20), (4,)), q=1.0)
    assert sample.value == 20
    assert sample.each == [3, 20, 4]
    assert sample.spread == (3.5, 12)


def test_the_ratio_uses_medians_and_its_spread_uses_pairs() -> None:
    row = Comparison.of("x", "s", [1, 2, 9], [10, 10, 10])
    assert row.ratio == pytest.approx(0.2)
    assert row.ratio_spread == pytest.approx((0.15, 0.55))


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (12, 3), (20, 6), (40, 14)]
)
def test_the_interval_of_a_median(count: int, rank: int) -> None:
    """The ranks are in the tables of the sign test, such as Conover's A3."""
    assert median_interval(range(count, 0, -1)) == (rank, count + 1 - rank)


@pytest.mark.parametrize(
    ("ours", "met"), [([1.0] * 12, True), ([1.2] * 12, False), ([1.0] * 6 + [1.2] * 6, None)]
)
def test_a_paired_ratio_is_immune_to_drift_and_its_interval_decides(
    ours: list[float], met: bool | None
) -> None:
    drift = [float(n) for n in range(1, 13)]
    scaled = [one * factor for one, factor in zip(drift, ours, strict=True)]
    row = Comparison("x", "µs", Sample.of(scaled), Sample.of(drift), Aim(Of.RATIO, 1.03), paired=True)
    assert row.ratio_spread == pytest.approx((min(ours), max(ours)))
    assert row.met is met


def test_no_ratio_without_a_nonzero_stock_value() -> None:
    assert Comparison("x", "s", Sample.of([1])).ratio is None
    assert Comparison.of("x", "bytes", [0], [0]).ratio is None
    assert Comparison.of("x", "right", [1], [1]).ratio is None
    assert Comparison.of("x", "bytes", [0], [0]).ratio_spread is None


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Comparison.of("at the aim", "s", [0.5], [1], Aim(Of.RATIO, 0.5)), True),
        (Comparison.of("over it", "s", [0.51], [1], Aim(Of.RATIO, 0.5)), False),
        (Comparison.of("strictly", "s", [0.3], [9], Aim(Of.OURS, 0.3, strict=True)), False),
        (Comparison.of("under it", "s", [0.29], [0.01], Aim(Of.OURS, 0.3, strict=True)), True),
        (Comparison.of("no byte", "bytes", [0], [0], Aim(Of.OURS, 0)), True),
        (Comparison.of("a byte", "bytes", [1], [9], Aim(Of.OURS, 0)), False),
        (Comparison.of("all right", "right", [1, 1], [0, 0], Aim(Of.RIGHT)), True),
        (Comparison.of("one wrong", "right", [1, 0], [1, 1], Aim(Of.RIGHT)), False),
        (Comparison("no stock", "s", Sample.of([1]), None, Aim(Of.RATIO, 0.5)), None),
        (Comparison.of("no aim", "s", [1], [1]), None),
    ],
    ids=lambda value: value.what if isinstance(value, Comparison) else "",
)
def test_whether_a_goal_is_met(row: Comparison, met: bool | None) -> None:
    assert row.met is met
