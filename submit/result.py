"""The job's last `RESULT {json}` line, as a table and as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import SubmitError, UsageError


class ResultNotWritten(SubmitError):
    """The job has ended and its result could not be written here; nothing is lost, the log holds it."""

    exit_code = 2


def parse(line: bytes) -> Mapping[str, Any] | None:
    """The result, or None where the line is not a JSON object."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


SHOWN = 3  # of a long list of records: a job may tell of hundreds of tasks
LONG = 8


def table(result: Mapping[str, Any], width: int = 80) -> list[str]:
    """The result as lines `name   value`, nested names joined by a dot."""
    rows = list(flat(result))
    left = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{left}}  {shortened(value, max(width - left - 4, 20))}" for name, value in rows]


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values, depth first."""
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from flat(item, f"{prefix}{name}.")
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
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shortened(text: str, width: int) -> str:
    """A value that fits its line."""
    return text if len(text) <= width else text[: width - 1] + "…"


def check_writable(path: Path) -> None:
    """Raises UsageError where the result could never be written: told before the job is sent, not after."""
    try:
        existed = path.exists()
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
            json.dump(result, file, indent=2, ensure_ascii=False)
            file.write("\n")
    except OSError as fault:
        raise ResultNotWritten(
            f"The result could not be written to {path}: {fault.strerror}. It stands in the job's log above.",
            "free space, or give --result another path and use `attach` to read the log again",
        ) from None
