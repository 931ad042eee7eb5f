"""Numbers of a RESULT: read with care, since a job may print anything, and written with their units. Pure."""

from __future__ import annotations

LARGEST = 1e15  # absolute value in a chart


def number(value: object) -> float | None:
    """The value as a float if it is a number that a chart can show; otherwise None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
        return None
    return float(value)


def at_least_0(value: object) -> float | None:
    """The value as a float if it is a number of at least 0; otherwise None."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def significant(value: float) -> str:
    """Three significant digits, without an exponent for everyday numbers."""
    return f"{value:,.0f}" if 100 <= abs(value) < 1e9 else f"{value:.3g}"


def times(speed_up: float) -> str:
    """A speed-up: 1.72×. An int, which is a limit rather than a measurement, has no decimals."""
    if speed_up >= 100 or isinstance(speed_up, int):
        return f"{significant(speed_up)}×"
    return f"{speed_up:.2f}×" if speed_up >= 0.1 else f"{speed_up:.1g}×"


def seconds(value: float) -> str:
    """A duration: 0.83 s, 47 s, 2 min 48 s, 1 h 5 min."""
    if value < 120:
        return f"{significant(value)} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def mebibytes(value: float) -> str:
    """A size: 287 MiB."""
    return f"{significant(value)} MiB"


def listed(names: list[str]) -> str:
    """Names in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
