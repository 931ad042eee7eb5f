"""The text of a job: the script and the modules of its own that it imports, from where Python looks for them.

That is beside the script, and, where a tree is sent, the tree: Ray puts it on the path of every process of the job.
What can't be read or understood is left out: packaging says so where it matters.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from .errors import PackageError
from .imports import Import
from .limits import LIMITS
from .local_imports import LocalImports


def sources(script: Path, tree: Path | None = None) -> dict[str, bytes]:
    """The text of a script and of the modules that it imports, by name from the tree, or else from beside it."""
    return text_of(*followed(script, tree))


def text_of(siblings: LocalImports, script: str) -> dict[str, bytes]:
    """The text of a script and of the modules that `siblings` found, by name."""
    names = (script, *(name for name in siblings.found if name.endswith(".py")))
    found = {name: siblings.read(name) for name in names}
    return {name: source for name, source in found.items() if source is not None}


def imports_elsewhere(script: Path, tree: Path | None = None) -> list[tuple[str, Import]]:
    """The imports of what is neither beside the script nor in the tree, each with the file that it stands in.

    It is the standard library's, or has to be installed on the cluster, or is missing.
    """
    siblings, _ = followed(script, tree)
    return [(file, one) for (file, _, _), one in siblings.elsewhere.items()]


def followed(script: Path, tree: Path | None = None) -> tuple[LocalImports, str]:
    """The modules that a script leads to, and its own name among them."""
    real = os.path.realpath(script)
    beside, root = os.path.dirname(real), os.path.realpath(tree) if tree else ""
    if not root or not beside.startswith(root) or os.path.relpath(beside, root).startswith(".."):
        root = beside
    prefix = "" if beside == root else os.path.relpath(beside, root) + "/"
    paths = tuple(dict.fromkeys((prefix, "")))
    siblings = LocalImports(root, lambda name: module_text(os.path.join(root, name)), True, paths)
    with suppress(PackageError):  # a folder that can't be listed
        siblings.follow(prefix + os.path.basename(real))
    return siblings, prefix + os.path.basename(real)


def module_text(path: str) -> bytes | None:
    """The bytes of a regular file of a module's size; None for anything else, which is not waited for."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb", buffering=0) as stream:
            found = os.fstat(fd)
            fits = stat.S_ISREG(found.st_mode) and found.st_size <= LIMITS.module
            return stream.readall() if fits else None
    except OSError:
        return None
