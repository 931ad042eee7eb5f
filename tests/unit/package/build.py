"""Helpers that build trees for tests and run calls that might hang."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeVar

Result = TypeVar("Result")


def put(root: Path, name: str, content: str | bytes = "x\n", mode: int = 0o644) -> Path:
    """Write one file under `root`, creating its directories."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def link(root: Path, name: str, target: str | Path) -> None:
    """Create a symlink under `root`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def outside(tree: Path) -> Path:
    """A directory next to the tree, from which nothing may be packaged."""
    directory = tree.parent / "outside"
    directory.mkdir(exist_ok=True)
    return directory


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """Return or raise what `call` does, or raise an AssertionError if it takes longer.

    Uses a signal rather than a thread, to interrupt a blocked open() and a regular expression, which holds the GIL.
    """

    def too_long(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def raw(root: Path, name: bytes) -> None:
    """Write a file whose name is arbitrary bytes."""
    with open(os.path.join(os.fsencode(root), name), "wb") as stream:
        stream.write(b"x\n")
