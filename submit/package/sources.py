"""The source of a job: the script and the local modules that it imports.

Modules are looked up next to the script and, if a tree is sent, in the tree, which Ray puts on the path of every
process of the job. Files that cannot be read or parsed are skipped: packaging reports those that matter.
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
    """The source of a script and the modules it imports, by path relative to the tree or else the script's folder."""
    return sources_of(*follow_imports(script, tree))


def sources_of(imports: LocalImports, script: str) -> dict[str, bytes]:
    """The source of a script and of the modules that `imports` found, by name."""
    names = (script, *(name for name in imports.found if name.endswith(".py")))
    found = {name: imports.read(name) for name in names}
    return {name: source for name, source in found.items() if source is not None}


def imports_elsewhere(script: Path, tree: Path | None = None) -> list[tuple[str, Import]]:
    """The imports of modules that are neither next to the script nor in the tree, each with the importing file.

    Such a module is in the standard library, must be installed on the cluster, or is missing.
    """
    imports, _ = follow_imports(script, tree)
    return [(file, one) for (file, _, _), one in imports.elsewhere.items()]


def follow_imports(script: Path, tree: Path | None = None) -> tuple[LocalImports, str]:
    """The local modules that a script imports, directly or indirectly, and the script's name relative to their root."""
    real = os.path.realpath(script)
    script_folder, root = os.path.dirname(real), os.path.realpath(tree) if tree else ""
    if (
        not root
        or not script_folder.startswith(root)
        or os.path.relpath(script_folder, root).startswith("..")
    ):
        root = script_folder
    prefix = "" if script_folder == root else os.path.relpath(script_folder, root) + "/"
    paths = tuple(dict.fromkeys((prefix, "")))
    imports = LocalImports(root, lambda name: module_text(os.path.join(root, name)), True, paths)
    with suppress(PackageError):  # a folder that cannot be listed
        imports.follow(prefix + os.path.basename(real))
    return imports, prefix + os.path.basename(real)


def module_text(path: str) -> bytes | None:
    """The bytes of a regular file no larger than a module may be; None for anything else. Never blocks on a FIFO."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb", buffering=0) as stream:
            found = os.fstat(fd)
            fits = stat.S_ISREG(found.st_mode) and found.st_size <= LIMITS.module
            return stream.readall() if fits else None
    except OSError:
        return None
