"""The key of a cluster's gateway: made when the cluster comes up, in a file for this user's eyes only.

The cloud is given its SHA-256 and never the key, so that no container, process list or engine holds it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path


def file_in(state: Path) -> Path:
    return state / "key"


def ensure(state: Path) -> str:
    """The key; a new one where there is none."""
    if found := read(state):
        return found
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_urlsafe(32)
    part = state / f"key.{os.getpid()}"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(key + "\n")
    part.replace(file_in(state))
    return key


def read(state: Path) -> str:
    """The key; "" where there is none."""
    try:
        return file_in(state).read_text().strip()
    except FileNotFoundError:
        return ""


def digest(key: str) -> str:
    """What the gateway compares with; "" lets nobody in."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


def remove(state: Path) -> None:
    file_in(state).unlink(missing_ok=True)
