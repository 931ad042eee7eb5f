"""What `python -m iam` prints, what it asks, and its exit codes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from iam.options import Usage
from raydock.commandline import MEANT
from raydock.errors import RaydockError
from raydock.printable import json_printable, printable

OK, USAGE, REFUSED, UNREACHABLE, INTERRUPTED = 0, 2, 3, 4, 130


def echo(*lines: str) -> None:
    """Print results to stdout."""
    for line in lines:
        write_line(printable(line), sys.stdout)


def echo_json(value: Mapping[str, Any]) -> None:
    """Print a JSON document to stdout."""
    write_line(json_printable(json.dumps(value, indent=2, ensure_ascii=False)), sys.stdout)


def echo_wrapped(start: str, text: str) -> None:
    """Print text to stdout with a hanging indent below `start`."""
    from iam.text import hanging

    echo(*hanging(start, text, width(sys.stdout)))


def echo_error(line: str) -> None:
    """Print a message to stderr."""
    write_line(printable(line), sys.stderr)


def write_line(line: str, stream: TextIO) -> None:
    """Write a line in the stream's encoding; characters that it lacks become escapes."""
    encoding = stream.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def report_error(fault: RaydockError) -> None:
    """Print what failed and how to fix it."""
    from iam.text import hanging

    for start, text in (("iam: ", fault.message), ("   → ", fault.fix)):
        columns = 10_000 if text.startswith(MEANT) else width(sys.stderr)  # keep a command on one line
        for line in hanging(start, text, columns) if text else ():
            echo_error(line)


def width(stream: TextIO) -> int:
    """Columns of a terminal, 60 or more. Lines written to a file are not wrapped."""
    return max(60, shutil.get_terminal_size((80, 24)).columns) if stream.isatty() else 10_000


def agreed(question: str, action: str, yes: bool) -> bool:
    """Ask on a terminal whether to act; `yes` answers in advance. Raises Usage if stdin is not a terminal.

    `question` and `action` are the same in two forms: "Apply this plan" and "Applying the plan".
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise Usage(f"{action} needs confirmation, so nothing was changed.", "add --yes")
    sys.stderr.write(f"{question}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    echo("Nothing was changed.")
    return False
