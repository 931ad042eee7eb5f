"""The contents of a package: the files to send, what is excluded, and what will fail because of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import EmptyPackage, TooLarge, TooManyFiles
from .limits import MIB, Limits

WHERE = "in the header's files, or in .rayignore with --working-dir"  # where to choose what is sent
SMALLER = f"Exclude what the job does not need ({WHERE}), and read data from storage instead."


@dataclass(frozen=True, slots=True)
class Entry:
    """One packaged file."""

    name: str  # posix path inside the package
    path: Path  # where it is read from: a real path under the root, without symlinks
    mode: int  # 0o755 or 0o644: only the owner's executable bit counts
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Excluded:
    """Something that is not packaged, and why. A directory's name ends with "/"."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class MissingImport:
    """An import that will fail on the cluster, although its module is next to the script."""

    module: str  # "" for a relative import beyond its top-level package
    importer: str  # the importing file
    line: int
    why: str
    fix: str

    @property
    def message(self) -> str:
        """The finding, as one sentence: where, what and why."""
        what = f" imports {self.module}, which is not packaged" if self.module else ""
        return f"{self.importer}:{self.line}{what}: {self.why}."


@dataclass(frozen=True, slots=True)
class LostMode:
    """A program that the job runs and that will not be executable on the cluster."""

    name: str
    runner: str  # the file that runs it
    line: int
    fix: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of one package and what is excluded, both sorted by name, and what will fail because of it."""

    root: Path
    entries: tuple[Entry, ...]
    excluded: tuple[Excluded, ...]
    missing: tuple[MissingImport, ...] = ()
    lost_modes: tuple[LostMode, ...] = ()
    header_only: frozenset[str] = frozenset()  # files that only the header lists
    tree: bool = False  # a whole directory rather than what a script needs: ignore files apply only then

    @property
    def unpacked_bytes(self) -> int:
        """The total size of the files in bytes, before compression."""
        return sum(entry.size for entry in self.entries)


def contents_of(
    root: Path, entries: Iterable[Entry], excluded: Iterable[Excluded], limits: Limits, tree: bool = False
) -> Contents:
    """Sort the files and enforce the limits. Raises EmptyPackage, TooManyFiles or TooLarge."""
    contents = Contents(
        root,
        tuple(sorted(entries, key=lambda entry: entry.name)),
        tuple(sorted(excluded, key=lambda one: (one.name, one.reason))),
        tree=tree,
    )
    if not contents.entries:
        raise EmptyPackage(
            f"Nothing to send from {root}: {_why_empty(contents.excluded)}.", _fix_empty(contents.excluded)
        )
    if len(contents.entries) > limits.files:
        raise TooManyFiles(
            f"{root} contains {len(contents.entries):,} files to send, more than the limit of {limits.files:,}; "
            f"most are in {fullest(contents.entries)}.",
            f"Exclude directories that the job does not need ({WHERE}).",
        )
    if contents.unpacked_bytes > limits.unpacked:
        raise TooLarge(
            f"{root} contains {mib(contents.unpacked_bytes)} to send, more than the limit of {mib(limits.unpacked)} "
            f"unpacked; its largest files: {largest(contents.entries)}.",
            SMALLER,
        )
    return contents


def mib(size: int) -> str:
    """A number of bytes as text, such as "12.3 MiB"."""
    return f"{size / MIB:,.1f} MiB"


def largest(entries: Iterable[Entry]) -> str:
    """The five largest files with their sizes."""
    top = sorted(entries, key=lambda entry: (-entry.size, entry.name))[:5]
    return ", ".join(f"{entry.name} ({mib(entry.size)})" for entry in top)


def fullest(entries: Iterable[Entry]) -> str:
    """The five directories with the most files."""
    counts = Counter(os.path.dirname(entry.name) + "/" for entry in entries)
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]
    return ", ".join(f"{'./' if name == '/' else name} ({count:,})" for name, count in top)


def _why_empty(excluded: tuple[Excluded, ...]) -> str:
    if not excluded:
        return "it contains no files"
    shown = "; ".join(f"{one.name} ({one.reason})" for one in excluded[:3])
    return f"everything is excluded: {shown}" + (
        f"; and {len(excluded) - 3:,} more" if len(excluded) > 3 else ""
    )


def _fix_empty(excluded: tuple[Excluded, ...]) -> str:
    if any("ignored by" in one.reason for one in excluded):
        return "Re-include what the job needs, for example with a line !*.py in .rayignore."
    return "Put the job's files there, or pass another directory."
