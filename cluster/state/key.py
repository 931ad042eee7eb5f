"""The key to the cluster's gateway. `up` creates it and stores it in a file that only this user can read.

The lab's cloud gets only the key's SHA-256 digest, so the key itself never appears in a container, in a process list or
in the Docker engine.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from raydock.state import key_file, read_key, write_private


def ensure(state: Path) -> str:
    """Return the key, creating it first if it does not exist."""
    if found := read(state):
        return found
    key = secrets.token_urlsafe(32)
    write_private(key_file(state), key + "\n")
    return key


def read(state: Path) -> str:
    """The key, or "" if there is none."""
    return read_key(state)


def digest(key: str) -> str:
    """The SHA-256 digest that the gateway checks keys against. For an empty key it is "", which no request matches."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


def remove(state: Path) -> None:
    """Delete the key file if it exists."""
    key_file(state).unlink(missing_ok=True)
