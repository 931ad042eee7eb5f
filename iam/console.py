"""Output, confirmation prompts and exit codes of `python -m iam`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from raydock.errors import RaydockError
from raydock.terminal import prompt
from raydock.terminal.layout import columns, hanging
from raydock.terminal.printable import json_printable, printable

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
    echo(*hanging(start, text, columns(sys.stdout)))


def echo_error(line: str) -> None:
    """Print a message to stderr."""
    write_line(printable(line), sys.stderr)


def write_line(line: str, stream: TextIO) -> None:
    """Write a line in the stream's encoding, with unsupported characters escaped."""
    encoding = stream.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def report_error(fault: RaydockError) -> None:
    """Print what failed and how to fix it."""
    for start, text in (("iam: ", fault.message), ("   → ", fault.fix)):
        for line in hanging(start, text, columns(sys.stderr)) if text else ():
            echo_error(line)


def agreed(question: str, yes: bool) -> bool:
    """Whether to proceed. Asks on the terminal unless `yes` is set; raises UsageError if there is none."""
    if yes or prompt.confirmed(f"{question}?", "Nothing was changed"):
        return True
    echo("Nothing was changed.")
    return False
