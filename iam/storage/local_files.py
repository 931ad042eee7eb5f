"""Writes files on this machine: completely or not at all, and only inside the user's destination."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from iam.errors import FileFailed

FULL = "free disk space, then run the command again"


@contextmanager
def written(path: str, root: str) -> Iterator[IO[bytes]]:
    """A file to write, which is moved to `path` when the block completes without an error.

    Missing folders are created. `root` is the user's destination. It may be a link, but links inside it must not lead
    out of it. Raises FileFailed.
    """
    part = ""
    try:
        target = resolved(path, root)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        part = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.part")
        with open(part, "xb") as file:
            yield file
        os.replace(part, target)
    except OSError as fault:
        if fault.errno is None:  # a network error, not a file error
            raise
        fix = FULL if "space" in (fault.strerror or "") else f"ls -ld {os.path.dirname(path) or '.'}"
        raise FileFailed(f"Could not write {path}: {fault.strerror}.", fix) from None
    finally:
        if part:
            with suppress(OSError):
                os.unlink(part)


def resolved(path: str, root: str) -> str:
    """The real path. Raises FileFailed for a device, or if a link leads out of `root`."""
    target, folder = os.path.realpath(path), os.path.realpath(root)
    if path != root and os.path.commonpath([target, folder]) != folder:
        raise FileFailed(f"{path} leads out of {root} through a link.", "remove the link")
    if os.path.isdir(target):
        raise FileFailed(
            f"{path} is a folder, so it can't be replaced by a file.", "choose another destination"
        )
    if os.path.exists(target) and not os.path.isfile(target):
        raise FileFailed(f"{path} is not a regular file.", "to print an object: python -m iam cat gs://…")
    return target
