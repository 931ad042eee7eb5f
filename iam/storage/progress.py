"""Tracks the progress of a transfer across its threads, and shows it as one updating line on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from raydock.terminal.status_line import StatusLine
from raydock.units import counted

INTERVAL = 0.2  # seconds between updates of the line
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Stopped(Exception):
    """Another transfer failed, or the user pressed Ctrl-C."""


@dataclass(slots=True)
class CopyProgress:
    """The files and bytes that are done, and their totals."""

    files: int
    size: int
    status: StatusLine
    done: int = 0  # files
    moved: int = 0  # bytes
    kept: int = 0  # files that already existed
    kept_size: int = 0
    stopped: bool = False
    shown: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, count: int) -> None:
        """Count bytes. Raises Stopped, which ends the transfer."""
        if self.stopped:
            raise Stopped
        with self.lock:
            self.moved += count
            self.show()

    def stop(self) -> None:
        """End all transfers: their next `advance` raises Stopped."""
        self.stopped = True

    def keep(self, size: int) -> None:
        """Count a file that already exists, with this size. `file_done` counts it, too."""
        with self.lock:
            self.kept += 1
            self.kept_size += size

    def file_done(self) -> None:
        """Count a file."""
        with self.lock:
            self.done += 1
            self.show()

    def show(self) -> None:
        """Update the line, a few times a second."""
        if self.status.enabled and time.monotonic() - self.shown >= INTERVAL:
            self.shown = time.monotonic()
            line = f"  {self.done:,} of {counted(self.files, 'file')}, {readable(self.moved)} of {readable(self.size)}"
            self.status.update(line)

    @contextmanager
    def line(self) -> Iterator[None]:
        """Remove the line when the block ends."""
        try:
            yield
        finally:
            self.status.clear()


@dataclass(slots=True)
class CountedFile:
    """A file whose reads and writes are counted. Bytes that a retry repeats are counted only once."""

    file: IO[bytes]
    progress: CopyProgress
    furthest: int = 0

    def read(self, size: int = -1) -> bytes:
        """Read and count."""
        data = self.file.read(size)
        self.count()
        return data

    def write(self, data: bytes) -> int:
        """Write and count."""
        written = self.file.write(data)
        self.count()
        return written

    def count(self) -> None:
        """Count the bytes beyond the furthest position reached before."""
        place = self.file.tell()
        self.progress.advance(max(0, place - self.furthest))
        self.furthest = max(self.furthest, place)

    def seek(self, place: int, whence: int = 0) -> int:
        """Move the position."""
        return self.file.seek(place, whence)

    def tell(self) -> int:
        """The position."""
        return self.file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Truncate the file."""
        return self.file.truncate(size)

    def flush(self) -> None:
        """Flush the file."""
        self.file.flush()


def readable(size: float) -> str:
    """A number of bytes in the largest unit that fits: 12 B, 3.4 MiB."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} {UNITS[unit]}" if unit == 0 else f"{size:.1f} {UNITS[unit]}"
