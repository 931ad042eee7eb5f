"""What travels with a job, as a value."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import EmptyPackage, TooLarge, TooManyFiles
from .limits import MIB, Limits

WHERE = "in the header's files, or with --working-dir in .rayignore"  # what is sent is chosen
SMALLER = f"Leave out what the job does not need ({WHERE}), and read data from storage instead."


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that travels."""

    name: str  # posix path inside the package
    path: Path  # where it is read from: a real path under the contents' root, no link on the way
    mode: int  # 0o755 or 0o644: only the owner's executable bit counts
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Excluded:
    """Something that does not travel, and why. A directory's name ends with "/"."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class MissingImport:
    """An import that is sure to fail on the cluster, though what it names is beside the script."""

    module: str  # "" for a relative import that leads out of its package
    importer: str  # the name of the file that has the import
    line: int
    why: str
    fix: str

    @property
    def message(self) -> str:
        """The sentence that says so."""
        what = f" imports {self.module}, which does not travel" if self.module else ""
        return f"{self.importer}:{self.line}{what}: {self.why}."


@dataclass(frozen=True, slots=True)
class LostMode:
    """A program that the job runs, and that is not executable on the cluster."""

    name: str
    runner: str  # the name of the file that runs it
    line: int
    fix: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of one package, sorted by name; what was left out, sorted by name; and what will fail for it."""

    root: Path
    entries: tuple[Entry, ...]
    left: tuple[Excluded, ...]
    missing: tuple[MissingImport, ...] = ()
    lost_modes: tuple[LostMode, ...] = ()
    named: frozenset[str] = frozenset()  # the files that only the header asks for
    tree: bool = False  # all of a directory, rather than what a script needs: only then ignore files count

    @property
    def unpacked_bytes(self) -> int:
        """Bytes of all files before compression."""
        return sum(entry.size for entry in self.entries)


def contents_of(
    root: Path, entries: Iterable[Entry], left: Iterable[Excluded], limits: Limits, tree: bool = False
) -> Contents:
    """Sort, and hold to the limits. Raises EmptyPackage, TooManyFiles or TooLarge."""
    contents = Contents(
        root,
        tuple(sorted(entries, key=lambda entry: entry.name)),
        tuple(sorted(left, key=lambda one: (one.name, one.reason))),
        tree=tree,
    )
    if not contents.entries:
        raise EmptyPackage(
            f"Nothing to send from {root}: {_why_empty(contents.left)}.", _mend_empty(contents.left)
        )
    if len(contents.entries) > limits.files:
        raise TooManyFiles(
            f"{root} holds {len(contents.entries):,} files to send, the limit is {limits.files:,}; "
            f"most are in {fullest(contents.entries)}.",
            f"Leave out directories that the job does not need ({WHERE}).",
        )
    if contents.unpacked_bytes > limits.unpacked:
        raise TooLarge(
            f"{root} holds {mib(contents.unpacked_bytes)} to send, the limit is {mib(limits.unpacked)} unpacked; "
            f"the largest: {largest(contents.entries)}.",
            SMALLER,
        )
    return contents


def mib(size: int) -> str:
    """A number of bytes as people read it: "12.3 MiB"."""
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


def _why_empty(left: tuple[Excluded, ...]) -> str:
    if not left:
        return "it holds no files"
    shown = "; ".join(f"{one.name} ({one.reason})" for one in left[:3])
    return f"all is left out: {shown}" + (f"; and {len(left) - 3:,} more" if len(left) > 3 else "")


def _mend_empty(left: tuple[Excluded, ...]) -> str:
    if any("ignored by" in one.reason for one in left):
        return "Re-include what the job needs, for example with a line !*.py in .rayignore."
    return "Put the job's files there, or name another directory."
