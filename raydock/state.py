"""The state folder: RAYDOCK_STATE, by default .raydock. A relative path starts at the checkout."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from raydock.errors import SettingsError
from raydock.settings import ROOT, setting


def folder(settings: Mapping[str, str] | None = None) -> Path:
    """The state folder, which may not exist yet. Raises SettingsError.

    `settings` is the result of `raydock.settings.read`; if not given, the setting is read.
    """
    named = (setting("RAYDOCK_STATE") if settings is None else settings.get("RAYDOCK_STATE")) or ".raydock"
    try:
        return (ROOT / Path(named).expanduser()).resolve()
    except (RuntimeError, ValueError, OSError) as fault:
        raise SettingsError(
            f"RAYDOCK_STATE is {named!r}: {fault}.", "Set it to a folder, or unset it."
        ) from None


def key_file(state: Path) -> Path:
    """The file that contains the cluster gateway's key."""
    return state / "key"


def kubeconfig_file(state: Path) -> Path:
    """The kubeconfig of the lab's Kubernetes."""
    return state / "kubernetes" / "kubeconfig"


def read_key(state: Path) -> str:
    """The cluster gateway's key; "" if there is none. Raises OSError if it can't be read."""
    try:
        return key_file(state).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def write_private(path: Path, text: str) -> None:
    """Atomically write a file that only its owner can read. Raises OSError; the old content is then kept."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
