"""One value of a result as short text: numbers rounded, durations and times readable, lists as counts. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from itertools import islice

from raydock.terminal.printable import printable
from raydock.terminal.status_line import cut
from raydock.units import counted, duration

NAME = 28  # the most columns for a name
READ = 400  # characters of text to read, more than any terminal shows on a line
FEW = 4  # values of a list that are shown instead of their number
SOME = 8  # the most values of an object on one line
IDENTIFIER = re.compile(r"[0-9a-f]{32,}")  # Ray's ids of nodes, tasks and actors
DURATION = re.compile(r"(?:^|[ _.])(?:seconds|secs?|s|duration|elapsed)$")
MOMENT = re.compile(
    r"(?:^|[ _.])(?:time|timestamp|ts|at|start|started|begin|end|ended|finished|created|updated|date)(?:_m?s)?$"
)
FIRST_MOMENT, LAST_MOMENT = 1e9, 5e9  # seconds since the epoch: 2001 to 2128


def concise(key: str, value: object, depth: int = 0) -> str:
    """The value as text; `key` determines whether a number is a duration or a time."""
    if isinstance(value, Mapping):
        return concise_object(value, depth)
    if isinstance(value, list):
        return concise_list(value, depth)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return concise_number(key, value)
    return printed(str(value))


def concise_number(key: str, value: float) -> str:
    """A number with four significant digits, or as a duration or a local time if its name suggests that."""
    name = key[-NAME:].lower()
    if MOMENT.search(name) and (moment := moment_of(value)):
        return moment
    if DURATION.search(name) and 0 <= value < LAST_MOMENT:
        return duration(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**18 else cut(str(value), 24)
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e15 else f"{value:,.4g}"


def moment_of(value: float) -> str:
    """A local time from seconds or milliseconds since the epoch; "" for other numbers."""
    for seconds in (value, value / 1000 if abs(value) < 1e15 else 0):
        if FIRST_MOMENT <= seconds < LAST_MOMENT:
            return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    return ""


def concise_list(value: list[object], depth: int) -> str:
    """A short list of plain values in full, any other list as a count."""
    plain = all(isinstance(one, str | int | float) for one in islice(value, FEW + 1))
    if plain and len(value) <= FEW and depth == 0:
        return ", ".join(concise("", one) for one in value if not is_nothing(one))
    return counted(len(value), "value" if plain else "entry").replace("entrys", "entries")


def concise_object(value: Mapping[str, object], depth: int) -> str:
    """A small object as `name value, name value`, any other as a count."""
    if depth or len(value) > SOME:
        return counted(len(value), "value")
    parts = (
        f"{printed(key[:NAME])} {concise(key, one, depth + 1)}"
        for key, one in value.items()
        if not is_nothing(one)
    )
    return ", ".join(parts)


def is_nothing(value: object) -> bool:
    """Whether there is nothing to show: null, an empty string, list or object, or one of Ray's ids."""
    if isinstance(value, str):
        return not value or (len(value) <= 64 and bool(IDENTIFIER.fullmatch(value)))
    return value is None or (isinstance(value, Mapping | list) and not value)


def printed(text: str) -> str:
    """The start of the text, with characters that could move the cursor escaped."""
    return printable(text[:READ])


def name_of(text: str) -> str:
    """A name, cut to `NAME` columns."""
    return cut(printed(text[: 2 * NAME]), NAME)
