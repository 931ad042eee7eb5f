"""Append-only files of bounded total size: the oldest file is deleted when a new one is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SEGMENT = 6_000_000  # bytes per file
KEEP = 8  # files: 48 MB in all


@dataclass(slots=True)
class Journal:
    """The lines in a folder's files, which are numbered from 1. A crash in the middle of a line ends its file."""

    folder: Path
    segment: int = SEGMENT
    keep: int = KEEP
    number: int = field(init=False)
    size: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = self.files()
        self.number = number_of(files[-1]) if files else 1
        if files and (content := files[-1].read_bytes()):
            self.size = len(content)
            self.number += not content.endswith(b"\n")
        self.prune()

    def append(self, lines: Iterable[bytes]) -> None:
        """Add lines, without waiting for the disk. Raises OSError, for example if it is full."""
        block = bytearray()
        for line in lines:
            if self.size + len(block) + len(line) > self.segment:
                self.write(block)
                block.clear()
                self.number, self.size = self.number + 1, 0
                self.prune()
            block += line
        self.write(block)

    def write(self, block: bytes | bytearray) -> None:
        """Append to the current file."""
        if block:
            with open(self.path(self.number), "ab") as file:
                file.write(block)
            self.size += len(block)

    def prune(self) -> None:
        """Delete the oldest files, so that there is room for the current one."""
        for path in self.files():
            if number_of(path) <= self.number - self.keep:
                path.unlink(missing_ok=True)

    @property
    def dropped(self) -> bool:
        """Whether lines were deleted to make room."""
        return self.number > self.keep

    def files(self) -> list[Path]:
        """The files, oldest first."""
        return sorted(self.folder.glob("[0-9]*.jsonl"), key=number_of)

    def path(self, number: int) -> Path:
        """The file with that number."""
        return self.folder / f"{number:06}.jsonl"

    def oldest(self) -> list[bytes]:
        """The lines of the oldest file that is still there."""
        for path in self.files():
            with suppress(FileNotFoundError):
                return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        return []

    def lines(self, since: float = 0) -> Iterator[bytes]:
        """The lines, oldest first, without the files that were last written before `since` (Unix time).

        A file that is deleted meanwhile is skipped, and so is a line that a crash cut short.
        """
        for path in self.files():
            try:
                if path.stat().st_mtime < since:
                    continue
                with open(path, "rb") as file:
                    yield from (line for line in file if line.endswith(b"\n"))
            except FileNotFoundError:
                continue


def number_of(path: Path) -> int:
    """A file's number."""
    return int(path.stem)
