"""What the tool says, and where: the job's log and what was asked for go to stdout, all else to stderr.

The one place besides `cli.py` that writes; nothing here decides anything.
"""

from __future__ import annotations

import json
import os
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, TextIO

from raydock.errors import RaydockError
from raydock.printable import json_printable, printable
from raydock.rayapi.job import Job, reasons
from raydock.streams import silence

from .findings import Finding, Outcome
from .results.result import table

# Commands to be copied: on one line, however long.
WHOLE = (
    "python submit.py ",
    "python -m iam ",
    "on Google Cloud: gcloud ",
    "did you mean: ",
    "or, if it is ",
    "the job's own arguments ",
)


class OutputLost(RaydockError):
    """Our own output can't be written (a full disk, a closed pipe); the job is not touched."""

    exit_code = 130


class Console:
    """Writes to the two streams. The log passes as it is; in every line of the tool's own `printable` escapes what
    could move the cursor or pass for another line: names, messages and results come from jobs and servers.
    """

    def __init__(self, out: BinaryIO, err: TextIO) -> None:
        self.out, self.err = out, err

    def write(self, chunk: bytes) -> None:
        """A piece of the job's log, at once."""
        try:
            self.out.write(chunk)
            self.out.flush()
        except OSError as fault:
            raise OutputLost(f"The log can't be written here: {fault.strerror}.", "") from None

    def print(self, line: str) -> None:
        """A line that was asked for."""
        self.write(printable(line).encode() + b"\n")

    def print_json(self, value: Mapping[str, Any]) -> None:
        """A value that was asked for."""
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        self.write(json_printable(text).encode() + b"\n")

    def say(self, line: str) -> None:
        """A line for the person. Where it can't be written the exit code still tells the end."""
        try:
            print(printable(line), file=self.err, flush=True)
        except (OSError, ValueError):
            silence(self.err)
            self.err = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for the rest of the run)

    def findings(self, found: Sequence[Finding]) -> None:
        """All findings, those that passed first."""
        for finding in sorted(found, key=lambda one: one.verdict is not Outcome.OK):
            self.wrapped(f"  {finding.verdict.value:<7}  {finding.check:<11}  ", finding.message)
            for line in finding.fix.splitlines():
                arrow = " " * 22 + "→ "
                if line.startswith(WHOLE):
                    self.say(arrow + line)
                else:
                    self.wrapped(arrow, line)

    def verdict(self, job: Job) -> None:
        """How the job ended."""
        lasted = f" after {job.ended - job.started:.1f} s" if job.ended and job.started else ""
        self.say(f"{job.status}{lasted}")
        if job.status == "FAILED" and job.message:
            for line in reasons(job.message):
                self.wrapped("  ", line)

    def result(self, value: Mapping[str, Any]) -> None:
        """The job's result as a table."""
        for line in table(value, self.width):
            self.say(line)

    def fault(self, fault: RaydockError) -> None:
        """An error: what failed, and what mends it."""
        self.wrapped("submit: ", fault.message)
        for line in fault.fix.splitlines():
            if line.startswith(WHOLE):
                self.say(f"      → {line}")
            else:
                self.wrapped("      → ", line)

    def wrapped(self, start: str, text: str) -> None:
        """Text in the width of the terminal, hanging below its start. Commands keep whole: no word is broken."""
        indent = " " * len(start)
        for line in textwrap.wrap(
            text,
            max(self.width, 60),
            initial_indent=start,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ):
            self.say(line)

    @property
    def width(self) -> int:
        """Columns of the terminal; 10,000 where there is none, so that nothing is folded in a file."""
        return shutil.get_terminal_size((80, 24)).columns if self.err.isatty() else 10_000
