"""The job's last `RESULT {json}` line, as a table and as a file."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from raydock.errors import RaydockError, UsageError
from raydock.printable import json_printable


class ResultNotWritten(RaydockError):
    """The job has ended and its result could not be written here; nothing is lost, the log holds it."""

    exit_code = 2


def parse(line: bytes, nonfinite: Callable[[str], Any] = lambda name: None) -> Mapping[str, Any] | None:
    """The result, or None where the line is not a JSON object.

    What JSON does not have becomes what it has: NaN and the infinities become null, or what `nonfinite` makes of their
    names; bytes that are not UTF-8 become lone surrogates, as in Python's own names of files, which JSON writes as
    `\\udcXX`; an integer of thousands of digits becomes a string. Of equal names the last counts.
    """
    try:
        value = loaded(line, nonfinite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def loaded(line: bytes, nonfinite: Callable[[str], Any] = lambda name: None) -> Any:
    """The line's JSON. Raises ValueError, RecursionError."""

    def number(text: str) -> Any:
        value = float(text)
        return value if math.isfinite(value) else nonfinite("-Infinity" if value < 0 else "Infinity")

    text = line.decode("utf-8", "surrogateescape")
    return json.loads(text, parse_constant=nonfinite, parse_float=number, parse_int=integer)


def integer(text: str) -> int | str:
    """An integer; its digits where Python converts no number of that length."""
    try:
        return int(text)
    except ValueError:
        return text


def trouble(line: bytes) -> str:
    """Why a line is no result."""
    try:
        loaded(line)
    except RecursionError:
        return "its JSON is nested too deeply"
    except ValueError as fault:
        return f"it is not JSON ({fault})"
    return "it is JSON, but not an object"


SHOWN = 3  # of a long list of records: a job may tell of hundreds of tasks
LONG = 8
ROWS = 300  # of a table
DEEP = 12  # names joined by a dot; what is below is shown as JSON
WIDEST = 60  # characters of a name
UNSHOWN = "…"


def table(result: Mapping[str, Any], width: int = 80) -> list[str]:
    """The result as lines `name   value`, nested names joined by a dot."""
    rows = [(shortened(name, WIDEST), value) for name, value in islice(flat(result), ROWS + 1)]
    if len(rows) > ROWS:
        rows[ROWS:] = [(UNSHOWN, "more, which --result PATH writes")]
    left = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{left}}  {shortened(value, max(width - left - 4, 20))}" for name, value in rows]


def flat(value: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Names and values, depth first."""
    for name, item in value.items():
        if isinstance(item, Mapping) and item and depth < DEEP:
            yield from flat(item, f"{prefix}{name}.", depth + 1)
        elif isinstance(item, list) and item and all(isinstance(one, Mapping) for one in item):
            shown = item if len(item) <= LONG else item[:SHOWN]
            for number, one in enumerate(shown):
                yield (
                    f"{prefix}{name}[{number}]",
                    ", ".join(f"{key} {plain(each)}" for key, each in one.items()),
                )
            if len(shown) < len(item):
                yield f"{prefix}{name}[…]", f"{len(item) - len(shown)} more"
        else:
            yield f"{prefix}{name}", plain(item)


def plain(value: object) -> str:
    """A value as a person reads it."""
    if isinstance(value, float):
        return f"{value:.6g}"
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return UNSHOWN


def shortened(text: str, width: int) -> str:
    """A value that fits its line."""
    return text if len(text) <= width else text[: width - 1] + "…"


def check_writable(path: Path) -> None:
    """Raises UsageError where the result could never be written: told before the job is sent, not after."""
    try:
        existed = os.path.exists(path)
        if existed and not path.is_file():  # to open a pipe waits for its reader, who would read an end
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            return
        with open(path, "a", encoding="utf-8"):
            pass
        if not existed:
            path.unlink()
    except OSError as fault:
        raise UsageError(
            f"The result can't be written to {path}: {fault.strerror}.", "give --result another path"
        ) from None


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Writes the result as JSON. Raises ResultNotWritten."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(as_json(result) + "\n")
    except OSError as fault:
        raise ResultNotWritten(
            f"The result could not be written to {path}: {fault.strerror}. It stands in the job's log above.",
            "free space, or give --result another path and use `attach` to read the log again",
        ) from None
    except RecursionError:
        raise ResultNotWritten(
            f"The result could not be written to {path}: it is nested too deeply. "
            "It stands in the job's log above.",
            "print a flatter RESULT",
        ) from None


def as_json(result: Mapping[str, Any]) -> str:
    """The result as JSON in lines; in one line where it is nested too deeply for that."""
    try:
        text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
    return json_printable(text)
