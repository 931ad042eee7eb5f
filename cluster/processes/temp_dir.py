"""The temporary folder of a cluster of processes: everything that it writes is below it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

TEMP = "/tmp"  # not TMPDIR: the path of a socket below it has at most 107 bytes
# Ray opens the folders of its files and of its sockets to every user: both stand inside one of ours.
# Then those of the cloud and of its storage.
FOLDERS = ("r", "s", "tmp", "home", "cloud", "objects")


def prefix(state: Path) -> str:
    """What the names of our folders begin with; differs for each place of the record."""
    return f"raydock-{hashlib.sha256(str(state).encode()).hexdigest()[:6]}"


def make(state: Path) -> str:
    """A new one, for this user only."""
    temp = tempfile.mkdtemp(prefix=prefix(state), dir=TEMP)
    for folder in FOLDERS:
        Path(temp, folder).mkdir(mode=0o700)
    return temp


def existing(state: Path) -> list[str]:
    """Ours, also those that no record names any more."""
    found = Path(TEMP).glob(f"{prefix(state)}*")
    return sorted(str(path) for path in found if path.lstat().st_uid == os.getuid() and not path.is_symlink())


def remove(temps: list[str]) -> None:
    for temp in temps:
        shutil.rmtree(temp, ignore_errors=True)
