"""One command at a time changes a cluster."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import Busy


@contextmanager
def held(state: Path) -> Iterator[None]:
    """Holds .raydock/lock; Busy where another command does. The system frees it when a process ends."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(state / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                "Another `python -m cluster` is changing this cluster.", "Wait until it has ended, or end it."
            ) from None
        yield
