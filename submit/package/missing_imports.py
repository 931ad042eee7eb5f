"""The imports that are sure to fail on the cluster, since what they name does not travel: each with its fix."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from .contents import Contents, Excluded, MissingImport
from .imports import Import
from .local_imports import LocalImports, ModuleUse


def missing_modules(contents: Contents, siblings: LocalImports) -> tuple[MissingImport, ...]:
    """What a job's imports, as `siblings` followed them, will miss. Guarded imports may fail."""
    travels = {entry.name for entry in contents.entries}
    there = {use.module for file, use in siblings.found.items() if file in travels}
    beside = siblings.paths[
        0
    ]  # Python looks there here and on the cluster; the tree's root is on the cluster's path only
    gone = {
        use.module: (file, use)
        for file, use in siblings.found.items()
        if file.startswith(beside) and file not in travels and not use.guarded and use.module not in there
    }
    missing = [
        _missing(contents, siblings.root, file, use)
        for module, (file, use) in gone.items()
        if not any(above in gone for above in _above(module))
    ]
    missing += [_beyond(file, one) for (file, _, _), one in siblings.beyond.items() if not one.guarded]
    return tuple(sorted(missing, key=lambda one: (one.importer, one.line, one.module)))


def _above(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _missing(contents: Contents, root: str, file: str, use: ModuleUse) -> MissingImport:
    left = _left(contents, file)
    return MissingImport(use.module, use.importer, use.line, left.reason, _mend(root, file, left))


def _left(contents: Contents, file: str) -> Excluded:
    """What keeps a file here: it, or the closest directory above it, was left out."""
    left = {one.name.rstrip("/"): one for one in contents.left}
    name = file
    while name and name not in left:
        name = name.rpartition("/")[0]
    return left.get(name, Excluded(file, "it is left out"))


def _mend(root: str, file: str, left: Excluded) -> str:
    link = _link(root, file)
    if link:
        return _copy(root, link)
    if left.reason.startswith("ignored by "):
        line = shlex.quote(f"!/{left.name}")
        return f"echo {line} >> {shlex.quote(os.path.join(root, '.rayignore'))}"
    if left.reason.endswith("only regular files travel"):
        return f"put a regular file in its place: {left.name}"
    return f"move {file} to a name that travels, and change the import"


def _link(root: str, file: str) -> str:
    """The part of a file's name that is a link; "" if none is."""
    parts = file.split("/")
    names = ("/".join(parts[: count + 1]) for count in range(len(parts)))
    return next((name for name in names if os.path.islink(os.path.join(root, name))), "")


def _copy(root: str, link: str) -> str:
    path = os.path.join(root, link)
    real = os.path.realpath(path)
    if not os.path.exists(real):
        return f"let {link} lead to the module, or put the module itself there"
    copied = f"put a copy in the link's place: rm {shlex.quote(path)} && cp -R {shlex.quote(real)} {shlex.quote(path)}"
    above = os.path.commonpath([root, real])
    if os.path.isdir(real) or above in (root, "/"):
        return copied
    return f"{copied}\nor send the folder above both: --working-dir {shlex.quote(above)}"


def _beyond(file: str, one: Import) -> MissingImport:
    dots = one.beyond.removeprefix("from ")
    level = len(dots) - len(dots.lstrip("."))
    plain = one.beyond.replace("from . import", "import").replace("from .", "from ")
    fix = (
        f"write it as: {plain}" if level == 1 else "import it by its full name, from the folder that is sent"
    )
    return MissingImport(
        "", file, one.line, f"`{one.beyond}` will fail, for {file} is not in such a package", fix
    )
