"""Files of this machine that containers read: their users are others than the files' owner."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cluster.docker import images
from cluster.errors import CommandFailed
from cluster.runtimes import Context
from iam import lab
from iam.errors import IamError
from raydock import topology

USER = 1000  # of the nodes and the notebook: docker/Dockerfile


def files(context: Context) -> dict[str, str]:
    """What the settings LAB_FILE and RAYDOCK_CA_BUNDLE are for Compose: readable by every user.

    A checkout made with a umask of 077 holds files for its owner only. Of such a file a copy is given to the
    containers; other users of this machine don't reach it, since the state folder is its owner's.
    """
    bundle, _ = images.ca_bundle(context)
    found = {"RAYDOCK_CA_BUNDLE": bundle}
    if copied := readable(context.root / bundle, context.state):
        found["RAYDOCK_CA_BUNDLE"] = str(copied)
    try:
        if copied := readable(lab.settings(context.settings, context.root).file, context.state):
            found["LAB_FILE"] = str(copied)
    except IamError:
        pass  # reported by services.check
    return found


def readable(file: Path, state: Path) -> Path | None:
    """A copy that others may read; None where the file is so itself, or is not there."""
    try:
        if file.stat().st_mode & 0o004:
            return None
        content = file.read_bytes()
    except OSError:
        return None  # reported by who needs it
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
    return state / "readable"


def remove(state: Path) -> None:
    shutil.rmtree(folder_in(state), ignore_errors=True)


def require_readable(context: Context) -> None:
    """CommandFailed where the notebook could not read what it is given of the checkout."""
    given = sources(context)
    hidden = [path for source in given for path in walk(context.root / source) if not shown(path)]
    if hidden:
        others = f" and {len(hidden) - 1:,} more" if len(hidden) > 1 else ""
        raise CommandFailed(
            f"The notebook's user can't read {hidden[0].relative_to(context.root)}{others}: "
            "the checkout was made for its owner only (umask 077).",
            f"Let others read what it is given: chmod -R a+rX {' '.join(given)}",
        )


def sources(context: Context) -> list[str]:
    """The files and folders of the checkout that services which are started see as they are."""
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
    """The path and all that is below it, without what Python has compiled."""
    yield path
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if name != "__pycache__"]
            yield from (Path(folder, name) for name in (*folders, *names))


def shown(path: Path) -> bool:
    """Whether the containers' user may read it; a folder is also entered."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return True  # a link to nothing
    needed = 0o5 if path.is_dir() else 0o4
    if about.st_uid == USER:
        needed <<= 6
    return about.st_mode & needed == needed
