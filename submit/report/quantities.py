"""Numbers with their units, and names in a sentence. Pure."""

from __future__ import annotations


def significant(value: float) -> str:
    """Three significant digits, without an exponent for everyday numbers."""
    return f"{value:,.0f}" if 100 <= abs(value) < 1e9 else f"{value:.3g}"


def times(speed_up: float) -> str:
    """A speed-up: 1.72×. An int, which is a limit rather than a measurement, has no decimals."""
    if speed_up >= 100 or isinstance(speed_up, int):
        return f"{significant(speed_up)}×"
    return f"{speed_up:.2f}×" if speed_up >= 0.1 else f"{speed_up:.1g}×"


def mebibytes(value: float) -> str:
    """A size: 287 MiB."""
    return f"{significant(value)} MiB"


def listed(names: list[str]) -> str:
    """Names in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
