"""Keeps a copy of a job's log on this machine, for a cluster that is deleted after the job."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from raydock import state

from ..results import history


class LogFile:
    """Shows a log, and writes what it shows to a file. An error of the file is reported at the end only."""

    def __init__(self, submission_id: str, show: Callable[[bytes], None]) -> None:
        self.show = show
        self.path: Path = history.record_path(submission_id).with_suffix(".log")
        self.file: BinaryIO | None = None
        self.fault = ""

    def take(self, chunk: bytes) -> None:
        """Show and write the next bytes."""
        self.show(chunk)
        if self.fault:
            return
        try:
            if not self.file:
                state.write_private(self.path, "")
                self.file = self.path.open("wb")
            self.file.write(chunk)
            self.file.flush()
        except OSError as error:
            self.fault = error.strerror or str(error)

    def close(self) -> None:
        """Close the file."""
        if self.file:
            with suppress(OSError):
                self.file.close()

    @property
    def note(self) -> str:
        """Where the log is, or why it is not there."""
        if self.fault:
            return (
                f"submit: the log could not be kept in {self.path}: {self.fault}; the cluster will be deleted"
            )
        return f"log kept in {self.path}" if self.file else "the job wrote no log"
