"""Durations and sizes in human-readable notation, which is the same for all flags and settings."""

from __future__ import annotations

import re

DURATION = "write it as 90s, 30m, 1.5h, 1h30m or 1d"
SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
PART = r"(?:(\d+(?:\.\d+)?){})?"
TIME = re.compile("".join(PART.format(unit) for unit in "dhm") + PART.format("s?"), re.ASCII | re.IGNORECASE)
LONGEST = 366 * 86400.0  # a year: more is a typo, and overflows some clocks
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgt]?)i?b?", re.ASCII | re.IGNORECASE)


def seconds(text: str, zero: bool = False) -> float:
    """Seconds, from a duration: 90, 90s, 1.5h, 30m, 1h30m, 1d.

    Raises ValueError if it is invalid, longer than a year, or 0 unless `zero` is set.
    """
    found = TIME.fullmatch(text.strip())
    if not found or not any(found.groups()):
        raise ValueError(f"{text!r} is not a duration")
    total = sum(float(part or 0) * SECONDS[unit] for part, unit in zip(found.groups(), "dhms", strict=True))
    if total <= 0 and not zero:
        raise ValueError(f"{text!r} is not greater than 0")
    if total > LONGEST:
        raise ValueError(f"{text!r} is more than a year")
    return total


def span(seconds: float) -> str:
    """Format a duration in at most two units: 45 s, 12 min, 3 h 5 min, 2 d 4 h."""
    whole = max(int(seconds), 0)
    if whole < 120:
        return f"{whole} s"
    if whole < 2 * 3600:
        return f"{whole // 60} min"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def size(text: str) -> int:
    """Bytes, from a size in Docker's notation, in powers of 1,024: 900m, 3g, 1.5gb, 512MiB. Raises ValueError."""
    found = SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a size")
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as "1 file" or "2 files"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """Format a measured duration, more precisely than `span`: 0.24 s, 25.1 s, 2 min 5 s, 1 h 40 min."""
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    if round(seconds) < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h" + (f" {minutes} min" if minutes else "")
