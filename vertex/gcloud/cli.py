"""Runs one command: prints its result to stdout, and errors to stderr. Exit codes as Google's: 0, 1, 2 for usage."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from raydock.errors import RaydockError, UsageError
from raydock.terminal.layout import columns, hanging
from raydock.terminal.printable import printable
from vertex.gcloud.commands import PROGRAMS
from vertex.gcloud.invocation import names_of, parse

ABOUT = (
    "This is the lab's {program}, not Google's: it has the commands that Google's notebooks of Ray on Vertex AI call, "
    "acts on the lab's Google Cloud as its user, and rejects everything else."
)


def main(program: str, argv: Sequence[str]) -> int:
    """Run one command of `gcloud` or `gsutil` and return its exit code."""
    known = PROGRAMS[program]
    if not argv or argv[0] in ("--help", "-h", "help"):
        write(ABOUT.format(program=program))
        write("", *(f"  {program} {usage}" for usage in names_of(known)))
        return 0
    try:
        command, call = parse(program, argv, known)
        found = command.run(call)
        if isinstance(found, int):
            return found
        write(*found)
    except RaydockError as fault:
        for start, text in ((f"ERROR: ({program}) ", fault.message), ("   → ", fault.fix)):
            for line in hanging(start, text, columns(sys.stderr)) if text else ():
                print(printable(line), file=sys.stderr)
        return 2 if isinstance(fault, UsageError) else 1
    return 0


def write(*lines: str) -> None:
    """Print lines to stdout."""
    for line in lines:
        print(printable(line), flush=True)
