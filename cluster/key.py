"""The key of a cluster's gateway: made when the cluster comes up, in a file for this user's eyes only.

The cloud is given its SHA-256 and never the key, so that no container, process list or engine holds it.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from raydock.state import key_file, read_key, write_private


def ensure(state: Path) -> str:
    """The key; a new one where there is none."""
    if found := read(state):
        return found
    key = secrets.token_urlsafe(32)
    write_private(key_file(state), key + "\n")
    return key


def read(state: Path) -> str:
    """The key; "" where there is none."""
    return read_key(state)


def digest(key: str) -> str:
    """What the gateway compares with; "" lets nobody in."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


def remove(state: Path) -> None:
    key_file(state).unlink(missing_ok=True)
