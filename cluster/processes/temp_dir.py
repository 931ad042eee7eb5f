"""The temporary folder for a cluster that runs as processes. The cluster writes nowhere else."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

TEMP = "/tmp"  # not TMPDIR, because a Unix socket's path can't be longer than 107 bytes
# Ray's files (r) and sockets (s) are inside a private folder, because Ray makes them accessible to every user. The
# other folders hold the jobs' temporary files, the working directory for all processes, and the cloud's state and
# storage.
FOLDERS = ("r", "s", "tmp", "home", "cloud")
CLOUD = "cloud"


def prefix(state: Path) -> str:
    """The prefix for the folder's name, which is specific to the state folder."""
    return f"raydock-{hashlib.sha256(str(state).encode()).hexdigest()[:6]}"


def make(state: Path) -> str:
    """Create a new folder that only this user can access. Moves the lab's kept data into it, if there is any."""
    temp = tempfile.mkdtemp(prefix=prefix(state), dir=TEMP)
    for folder in FOLDERS:
        Path(temp, folder).mkdir(mode=0o700)
    if kept_data(state).exists():
        Path(temp, CLOUD).rmdir()
        shutil.move(kept_data(state), Path(temp, CLOUD))
    return temp


def kept_data(state: Path) -> Path:
    """The folder that keeps the lab's buckets, objects and grants while no cluster exists."""
    return state / "lab-data"


def keep_data(state: Path, temps: list[str]) -> None:
    """Save the lab's data before these folders are removed. Uses the newest folder that has any."""
    found = [folder for temp in temps if any((folder := Path(temp, CLOUD)).glob("*"))]
    if found:
        shutil.rmtree(kept_data(state), ignore_errors=True)
        shutil.move(max(found, key=lambda folder: folder.stat().st_mtime), kept_data(state))


def existing(state: Path) -> list[str]:
    """All of this cluster's folders, including those that no record refers to."""
    found = Path(TEMP).glob(f"{prefix(state)}*")
    return sorted(str(path) for path in found if path.lstat().st_uid == os.getuid() and not path.is_symlink())


def remove(temps: list[str]) -> None:
    """Delete the folders, ignoring errors."""
    for temp in temps:
        shutil.rmtree(temp, ignore_errors=True)
