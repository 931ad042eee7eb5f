"""Files on this machine that are mounted into containers and must be readable by the containers' users."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cluster.docker import images
from cluster.runtimes import Context
from iam.errors import IamError
from iam.lab.settings import settings
from raydock import topology
from raydock.errors import CommandFailed

USER = 1000  # the nodes' and the notebook's uid, from docker/Dockerfile


def files(context: Context) -> dict[str, str]:
    """The values of LAB_FILE and RAYDOCK_CA_BUNDLE for Compose. The containers' users can read both files.

    Only the owner can read a checkout created with umask 077. The containers then get a copy of the file. Other users
    on this machine can't reach the copy, because the state folder is private.
    """
    bundle, _ = images.ca_bundle(context)
    found = {"RAYDOCK_CA_BUNDLE": bundle}
    if copied := readable_copy(context.root / bundle, context.state):
        found["RAYDOCK_CA_BUNDLE"] = str(copied)
    try:
        if copied := readable_copy(settings(context.settings, context.root).file, context.state):
            found["LAB_FILE"] = str(copied)
    except IamError:
        pass  # services.check reports it
    return found


def readable_copy(file: Path, state: Path) -> Path | None:
    """Copy the file so that other users can read it. None if they already can, or if it can't be copied."""
    try:
        if file.stat().st_mode & 0o004:
            return None
        content = file.read_bytes()
    except OSError:
        return None  # the service that needs the file reports it
    folder = folder_in(state)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = folder / file.name
    if not copy.exists() or copy.read_bytes() != content:
        part = copy.with_name(f"{copy.name}.{os.getpid()}")
        part.write_bytes(content)
        part.chmod(0o644)
        part.replace(copy)
    return copy


def folder_in(state: Path) -> Path:
    """The folder that holds the copies."""
    return state / "readable"


def remove(state: Path) -> None:
    """Delete the copies."""
    shutil.rmtree(folder_in(state), ignore_errors=True)


def require_readable(context: Context) -> None:
    """Raise CommandFailed if the notebook's user can't read every file mounted from the checkout."""
    mounted = sources(context)
    hidden = [path for source in mounted for path in walk(context.root / source) if not is_readable(path)]
    if hidden:
        others = f" and {len(hidden) - 1:,} more" if len(hidden) > 1 else ""
        raise CommandFailed(
            f"The notebook's user can't read {hidden[0].relative_to(context.root)}{others}: "
            "only the checkout's owner can read it (umask 077).",
            f"Make the mounted folders readable: chmod -R a+rX {' '.join(mounted)}",
        )


def sources(context: Context) -> list[str]:
    """The files and folders in the checkout that the enabled services mount."""
    import yaml

    document = yaml.safe_load((context.root / "compose.yaml").read_text(encoding="utf-8"))
    volumes = [
        volume
        for body in document["services"].values()
        if topology.wanted(body, context.settings)
        for volume in body.get("volumes", ())
    ]
    named = [volume["source"] for volume in volumes if isinstance(volume, dict)]
    return [source.removeprefix("./") for source in named if source.startswith("./")]


def walk(path: Path) -> Iterator[Path]:
    """The path and everything below it, except __pycache__."""
    yield path
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if name != "__pycache__"]
            yield from (Path(folder, name) for name in (*folders, *names))


def is_readable(path: Path) -> bool:
    """Whether the containers' user can read the file, or list and enter the folder."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return True  # a dangling link
    needed = 0o5 if path.is_dir() else 0o4
    if status.st_uid == USER:
        needed <<= 6
    return status.st_mode & needed == needed
