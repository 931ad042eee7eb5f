"""Computes quantiles and ratios of samples, and checks them against goals. All functions are pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import comb, floor


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile, interpolated linearly between the closest ranks (numpy's default, R's type 7)."""
    if not values:
        raise ValueError("no values")
    ranked = sorted(values)
    place = q * (len(ranked) - 1)
    low = floor(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """A confidence interval of the median: the sign test's, which assumes no distribution.

    Its ends are the values at ranks k and n + 1 - k. k is the largest one for which fewer than k values are below the
    median, or above it, with a probability of at most 1 - confidence: their number is binomial. The smallest and the
    largest value if there are fewer than 6.
    """
    if not values:
        raise ValueError("no values")
    ranked, outside, k = sorted(values), 0.0, 0
    while 2 * (outside := outside + comb(len(ranked), k) / 2 ** len(ranked)) <= 1 - confidence:
        k += 1
    place = max(k - 1, 0)
    return ranked[place], ranked[-1 - place]


@dataclass(frozen=True, slots=True)
class Sample:
    """The values for ours or for stock, grouped by run. Most benchmarks record one value per run."""

    runs: tuple[tuple[float, ...], ...]
    q: float = 0.5  # the quantile that represents the sample

    @classmethod
    def of(cls, values: Sequence[float]) -> Sample:
        """A sample with one value per run."""
        return cls(tuple((value,) for value in values))

    @property
    def values(self) -> list[float]:
        """The values from all runs."""
        return [value for run in self.runs for value in run]

    @property
    def each(self) -> list[float]:
        """Each run's quantile."""
        return [quantile(run, self.q) for run in self.runs]

    @property
    def value(self) -> float:
        """The quantile of all values, by default the median."""
        return quantile(self.values, self.q)

    @property
    def spread(self) -> tuple[float, float]:
        """p25 and p75 of the runs' quantiles."""
        return quantile(self.each, 0.25), quantile(self.each, 0.75)


class Of(Enum):
    """The value that a goal applies to."""

    RATIO = "ratio"  # ours / stock
    OURS = "ours"  # our value alone
    RIGHT = "right"  # whether all our results are correct


@dataclass(frozen=True, slots=True)
class Aim:
    """A goal: at most `most` or, if `strict`, less than `most`. RIGHT ignores `most`."""

    of: Of
    most: float = 0
    strict: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value meets the goal."""
        return value < self.most if self.strict else value <= self.most


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row in the table. `unit` is "s", "µs", "bytes", "MiB" or "right" (1 if a result is correct, otherwise 0).

    `paired`: the ratio is the median of the pairs' ratios instead of the ratio of the medians, and the goal applies to
    its 95% confidence interval. That is for effects smaller than the drift between pairs.
    """

    what: str
    unit: str
    ours: Sample
    stock: Sample | None = None
    aim: Aim | None = None
    paired: bool = False

    @classmethod
    def of(
        cls, what: str, unit: str, ours: Sequence[float], stock: Sequence[float], aim: Aim | None = None
    ) -> Comparison:
        """A row with one value per run."""
        return cls(what, unit, Sample.of(ours), Sample.of(stock), aim)

    @property
    def ratios(self) -> list[float]:
        """The pairs' ratios."""
        if self.stock is None or len(self.ours.runs) != len(self.stock.runs):
            return []
        return [ours / stock for ours, stock in zip(self.ours.each, self.stock.each, strict=True) if stock]

    @property
    def ratio(self) -> float | None:
        """Ours / stock. None if the stock value is missing or 0."""
        if self.stock is None or self.unit == "right" or not self.stock.value:
            return None
        return quantile(self.ratios, 0.5) if self.paired else self.ours.value / self.stock.value

    @property
    def ratio_spread(self) -> tuple[float, float] | None:
        """p25 and p75 of the pairs' ratios, or the confidence interval of their median. None if there are no pairs."""
        if self.ratio is None or not (ratios := self.ratios):
            return None
        return median_interval(ratios) if self.paired else (quantile(ratios, 0.25), quantile(ratios, 0.75))

    @property
    def met(self) -> bool | None:
        """Whether the goal is met. None if there is no goal, no value to check, or an interval on both sides of it."""
        if self.aim is None:
            return None
        if self.aim.of is Of.RIGHT:
            return all(self.ours.values)
        value = self.ratio if self.aim.of is Of.RATIO else self.ours.value
        if self.paired and self.aim.of is Of.RATIO and (ends := self.ratio_spread):
            low, high = map(self.aim.holds, ends)
            return high if low == high else None
        return None if value is None else self.aim.holds(value)
