"""Terminal output: the job's log and requested data go to stdout, everything else to stderr.

Apart from `cli.py` this is the only module that writes to the terminal; it makes no decisions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, TextIO

from raydock.errors import RaydockError
from raydock.rayapi.job import Job, reasons
from raydock.terminal import layout
from raydock.terminal.printable import json_printable, printable
from raydock.terminal.streams import silence

from .findings import Finding, Outcome
from .results.result import table


class OutputLost(RaydockError):
    """Our own output can't be written (full disk, closed pipe). The job is unaffected."""

    exit_code = 130


class PipeClosed(OutputLost):
    """The reader of our output has read enough, as `head` does."""


class Console:
    """Writes to stdout and stderr. The job's log is passed through unchanged.

    In the tool's own lines, `printable` escapes whatever could move the cursor or imitate another line: names,
    messages and results come from jobs and servers.
    """

    def __init__(self, out: BinaryIO, err: TextIO) -> None:
        self.out, self.err = out, err

    def write(self, chunk: bytes) -> None:
        """Write a chunk of the job's log and flush it. Raises OutputLost."""
        try:
            self.out.write(chunk)
            self.out.flush()
        except OSError as fault:
            kind = PipeClosed if isinstance(fault, BrokenPipeError) else OutputLost
            raise kind(f"Can't write to standard output: {fault.strerror}.", "") from None

    def print(self, line: str) -> None:
        """Print a requested line to stdout. Raises OutputLost."""
        self.write(printable(line).encode() + b"\n")

    def print_json(self, value: Mapping[str, Any]) -> None:
        """Print a requested value to stdout, as JSON. Raises OutputLost."""
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        self.write(json_printable(text).encode() + b"\n")

    def say(self, line: str) -> None:
        """Print a line to stderr. If that fails, carry on: the exit code still reports the outcome."""
        try:
            print(printable(line), file=self.err, flush=True)
        except (OSError, ValueError):
            silence(self.err)
            self.err = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the process ends)

    def findings(self, findings: Sequence[Finding]) -> None:
        """Print all findings, those that passed first."""
        for finding in sorted(findings, key=lambda finding: finding.verdict is not Outcome.OK):
            self.wrapped(f"  {finding.verdict.value:<7}  {finding.check:<11}  ", finding.message)
            for line in finding.fix.splitlines():
                self.wrapped(" " * 22 + "→ ", line)

    def verdict(self, job: Job) -> None:
        """Print how the job ended, and why if it failed."""
        duration = f" after {job.ended - job.started:.1f} s" if job.ended and job.started else ""
        self.say(f"{job.status}{duration}")
        if job.status == "FAILED" and job.message:
            for line in reasons(job.message):
                self.wrapped("  ", line)

    def result(self, value: Mapping[str, Any]) -> None:
        """Print the job's result as a table."""
        for line in table(value, self.width):
            self.say(line)

    def fault(self, fault: RaydockError) -> None:
        """Print an error: its message, then the fix."""
        self.wrapped("submit: ", fault.message)
        for line in fault.fix.splitlines():
            self.wrapped("      → ", line)

    def wrapped(self, prefix: str, text: str) -> None:
        """Print text wrapped to the terminal, with a hanging indent below the prefix."""
        for line in layout.hanging(prefix, text, self.width):
            self.say(line)

    @property
    def width(self) -> int:
        """Columns of the terminal that stderr is."""
        return layout.columns(self.err)
