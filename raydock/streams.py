"""The three standard streams of a command, which its caller may have closed, or sent to a full disk."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


def open_streams() -> None:
    """Opens those of the three standard streams that the caller closed, before a socket takes their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as long as the process)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


class Sink:
    """A stream that takes all text: the first `fault` of writing it is kept, to be told at the end."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.fault: Exception | None = None

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except (OSError, ValueError) as fault:  # a ValueError: it was closed
            self.fault = self.fault or fault
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except (OSError, ValueError) as fault:
            self.fault = self.fault or fault
            silence(self.stream)  # or the interpreter fails once more, at its end

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def silence(stream: Any) -> None:
    """What is still written to a stream is dropped."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        return
