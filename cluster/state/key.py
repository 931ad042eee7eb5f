"""The key to the cluster's gateway: created by `up` and kept in a file that only this user can read.

The lab's cloud gets the key's SHA-256 digest and never the key itself, so the key does not appear in any container,
process list or Docker engine.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from raydock.state import key_file, read_key, write_private


def ensure(state: Path) -> str:
    """Return the key; create it first if there is none."""
    if found := read(state):
        return found
    key = secrets.token_urlsafe(32)
    write_private(key_file(state), key + "\n")
    return key


def read(state: Path) -> str:
    """The key, or "" if there is none."""
    return read_key(state)


def digest(key: str) -> str:
    """The SHA-256 digest that the gateway compares with. For an empty key it is "", which rejects every request."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


def remove(state: Path) -> None:
    """Delete the key file, if there is one."""
    key_file(state).unlink(missing_ok=True)
