"""Ensures that only one command at a time changes a cluster."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.errors import Busy


@contextmanager
def held(state: Path) -> Iterator[None]:
    """Hold `.raydock/lock`. Raises Busy if another process holds it. The kernel releases it when its holder exits."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(state / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                "Another `python -m cluster` is changing this cluster.", "Wait until it finishes, or stop it."
            ) from None
        yield
