"""The temporary folder of a cluster that runs as processes. The cluster writes nowhere else."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

TEMP = "/tmp"  # not TMPDIR: the path of a Unix socket is limited to 107 bytes
# Ray's files (r) and sockets (s), which Ray makes accessible to every user, so they are inside a private folder;
# then the jobs' temporary files, the working directory of all processes, and the cloud's state with its storage.
FOLDERS = ("r", "s", "tmp", "home", "cloud")
CLOUD = "cloud"


def prefix(state: Path) -> str:
    """The prefix of the folder's name, which is specific to the state folder."""
    return f"raydock-{hashlib.sha256(str(state).encode()).hexdigest()[:6]}"


def make(state: Path) -> str:
    """Create a new folder that only this user can access. It gets the lab's data that `keep_data` kept, if any."""
    temp = tempfile.mkdtemp(prefix=prefix(state), dir=TEMP)
    for folder in FOLDERS:
        Path(temp, folder).mkdir(mode=0o700)
    if kept_data(state).exists():
        Path(temp, CLOUD).rmdir()
        shutil.move(kept_data(state), Path(temp, CLOUD))
    return temp


def kept_data(state: Path) -> Path:
    """Where the lab's buckets, objects and grants are kept while no cluster exists."""
    return state / "lab-data"


def keep_data(state: Path, temps: list[str]) -> None:
    """Move the lab's data out of the newest of these folders that has any, before the folders are removed."""
    found = [folder for temp in temps if any((folder := Path(temp, CLOUD)).glob("*"))]
    if found:
        shutil.rmtree(kept_data(state), ignore_errors=True)
        shutil.move(max(found, key=lambda folder: folder.stat().st_mtime), kept_data(state))


def existing(state: Path) -> list[str]:
    """All folders of this cluster, including those that no record refers to."""
    found = Path(TEMP).glob(f"{prefix(state)}*")
    return sorted(str(path) for path in found if path.lstat().st_uid == os.getuid() and not path.is_symlink())


def remove(temps: list[str]) -> None:
    """Delete the folders. Errors are ignored."""
    for temp in temps:
        shutil.rmtree(temp, ignore_errors=True)
