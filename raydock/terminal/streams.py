"""A command's standard streams, which the caller may have closed or redirected to a full disk."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


def open_streams() -> None:
    """Open the standard streams that the caller closed, before a socket gets their file descriptors."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # this is the lowest free descriptor
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as long as the process)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


class Sink:
    """A stream whose writes never fail. The first error is kept in `fault`, to be reported at the end."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.fault: Exception | None = None

    def write(self, text: str) -> int:
        """Write the text, and keep the error if that fails."""
        try:
            return self.stream.write(text)
        except (OSError, ValueError) as fault:  # ValueError: the stream is closed
            self.fault = self.fault or fault
            return len(text)

    def flush(self) -> None:
        """Flush the stream. If that fails, keep the error and discard further output."""
        try:
            self.stream.flush()
        except (OSError, ValueError) as fault:
            self.fault = self.fault or fault
            silence(self.stream)  # otherwise the interpreter fails again at exit

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def silence(stream: Any) -> None:
    """Discard whatever is still written to a stream."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        return
