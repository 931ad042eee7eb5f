"""Building trees for tests, and running what might hang."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeVar

Result = TypeVar("Result")


def put(root: Path, name: str, content: str | bytes = "x\n", mode: int = 0o644) -> Path:
    """Write one file, its directories made, under `root`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def link(root: Path, name: str, target: str | Path) -> None:
    """A symbolic link under `root`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def outside(tree: Path) -> Path:
    """A directory beside the tree, which nothing may leak from."""
    directory = tree.parent / "outside"
    directory.mkdir(exist_ok=True)
    return directory


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """What `call` returns or raises; an AssertionError if it takes longer.

    By a signal, not a thread: it also interrupts a blocked open() and a regular expression, which holds the GIL.
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
    """A file whose name is any bytes."""
    with open(os.path.join(os.fsencode(root), name), "wb") as stream:
        stream.write(b"x\n")
