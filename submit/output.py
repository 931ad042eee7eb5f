"""Terminal output: the job's log and requested data go to stdout, everything else to stderr.

Apart from `cli.py` this is the only module that writes to the terminal; it makes no decisions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, TextIO

from raydock.errors import RaydockError
from raydock.rayapi.job import Job, reasons
from raydock.terminal import layout
from raydock.terminal.printable import json_printable, printable
from raydock.terminal.status_line import StatusLine
from raydock.terminal.streams import silence
from raydock.units import duration

from .findings import Finding, Outcome

ARROW = "→ "


class OutputLost(RaydockError):
    """Our own output can't be written (full disk, closed pipe). The job is unaffected."""

    exit_code = 130


class PipeClosed(OutputLost):
    """The process that reads our output has closed the pipe, as `head` does."""


class Console:
    """Writes to stdout and stderr. The job's log is passed through unchanged.

    In the tool's own lines, `printable` escapes whatever could move the cursor or imitate another line, since
    names, messages and results come from jobs and servers.
    """

    def __init__(self, out: BinaryIO, err: TextIO) -> None:
        self.out, self.err = out, err
        self.status_line = StatusLine(err)

    @property
    def interactive(self) -> bool:
        """Whether a person reads both the log and our own lines, so that the log should be formatted for reading."""
        return self.out.isatty() and self.err.isatty()

    def progress(self, text: str) -> None:
        """Show what is in progress, on a status line that is rewritten; only on a terminal. "" removes the line."""
        if text:
            self.status_line.update(text)
        else:
            self.status_line.clear()

    def write(self, chunk: bytes) -> None:
        """Write a chunk of the job's log and flush it. Raises OutputLost."""
        self.status_line.clear()
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
        self.status_line.clear()
        try:
            print("\n".join(map(printable, layout.copyable(line, self.width))), file=self.err, flush=True)
        except (OSError, ValueError):
            silence(self.err)
            self.err = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the process ends)

    def findings(self, findings: Sequence[Finding]) -> None:
        """Print all findings, those that passed first."""
        for finding in sorted(findings, key=lambda finding: finding.verdict is not Outcome.OK):
            self.wrapped(f"  {finding.verdict.value:<7}  {finding.check:<11}  ", finding.message)
            self.fix(" " * 22, finding.fix)

    def verdict(self, job: Job) -> None:
        """Print the job's final status, and the reason if it failed."""
        took = f" after {duration(job.ended - job.started)}" if job.ended > job.started > 0 else ""
        self.say(f"{job.status}{took}")
        if job.status == "FAILED" and job.message:
            for line in reasons(job.message):
                self.wrapped("  ", line)

    def cause(self, message: str, fix: str) -> None:
        """Print why a job failed, for example which storage access it was denied, and the fix."""
        self.wrapped("  ", message)
        self.fix("  ", fix)

    def result(self, lines: Iterable[str]) -> None:
        """Print the summary of the job's result."""
        for line in lines:
            self.say(line)

    def fault(self, fault: RaydockError) -> None:
        """Print an error: its message, then the fix."""
        self.wrapped("submit: ", fault.message)
        self.fix(" " * 6, fault.fix)

    def fix(self, indent: str, text: str) -> None:
        """Print each line of a fix after an arrow, so that links and commands can still be copied."""
        for line in text.splitlines():
            self.wrapped(indent + ARROW, line)

    def wrapped(self, prefix: str, text: str) -> None:
        """Print text wrapped to the terminal, with a hanging indent below the prefix."""
        for line in layout.hanging(prefix, text, self.width):
            self.say(line)

    @property
    def width(self) -> int:
        """The width of stderr's terminal, in columns."""
        return layout.columns(self.err)
