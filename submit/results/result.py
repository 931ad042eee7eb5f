"""The job's last `RESULT {json}` line: parsed, and written to a JSON file."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raydock.errors import RaydockError, UsageError
from raydock.terminal.printable import json_printable


class ResultNotWritten(RaydockError):
    """The job has finished, but its result could not be written to a file. Nothing is lost: it is in the log."""

    exit_code = 2


def parse(line: bytes, nonfinite: Callable[[str], Any] = lambda name: None) -> Mapping[str, Any] | None:
    """The result, or None if the line is not a JSON object.

    Converts what JSON can't represent. NaN and the infinities become null, or what `nonfinite` returns for their
    names. Bytes that are not UTF-8 become lone surrogates, as in Python's file names; JSON writes them as `\\udcXX`.
    Integers with thousands of digits become strings. If a name occurs twice, the last one wins.
    """
    try:
        value = decode(line, nonfinite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def decode(line: bytes, nonfinite: Callable[[str], Any] = lambda name: None) -> Any:
    """Decode the line as JSON. Raises ValueError, RecursionError."""

    def number(text: str) -> Any:
        value = float(text)
        return value if math.isfinite(value) else nonfinite("-Infinity" if value < 0 else "Infinity")

    text = line.decode("utf-8", "surrogateescape")
    return json.loads(text, parse_constant=nonfinite, parse_float=number, parse_int=integer)


def integer(text: str) -> int | str:
    """An integer, or its digits as text if they exceed Python's limit for conversions."""
    try:
        return int(text)
    except ValueError:
        return text


def why_invalid(line: bytes) -> str:
    """Why a line is not a result."""
    try:
        decode(line)
    except RecursionError:
        return "its JSON is nested too deeply"
    except ValueError as fault:
        return f"it is not JSON ({fault})"
    return "it is JSON, but not an object"


def check_writable(path: Path) -> None:
    """Check before the job is submitted that the result can be written. Raises UsageError."""
    try:
        existed = os.path.exists(path)
        if (
            existed and not path.is_file()
        ):  # don't open a pipe: that blocks until there is a reader, which would then see EOF
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            return
        with open(path, "a", encoding="utf-8"):
            pass
        if not existed:
            path.unlink()
    except OSError as fault:
        raise UsageError(
            f"Can't write the result to {path}: {fault.strerror}.", "choose another path for --result"
        ) from None


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Write the result as JSON. Raises ResultNotWritten."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(as_json(result) + "\n")
    except OSError as fault:
        raise ResultNotWritten(
            f"The result could not be written to {path}: {fault.strerror}. It is in the job's log above.",
            "free up space or choose another path for --result, then fetch the result again with `attach`",
        ) from None
    except RecursionError:
        raise ResultNotWritten(
            f"The result could not be written to {path}: it is nested too deeply. "
            "It is in the job's log above.",
            "print a flatter RESULT",
        ) from None


def as_json(result: Mapping[str, Any]) -> str:
    """The result as indented JSON, or on one line if it is nested too deeply to indent."""
    try:
        text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
    return json_printable(text)
