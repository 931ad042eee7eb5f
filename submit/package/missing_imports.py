"""Imports that will fail on the cluster because their module is not packaged, each with its fix."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from .contents import Contents, Excluded, MissingImport
from .imports import Import
from .local_imports import LocalImports, ModuleUse


def missing_modules(contents: Contents, imports: LocalImports) -> tuple[MissingImport, ...]:
    """The modules that a job's imports will not find on the cluster. Guarded imports may fail.

    imports: must have followed the script.
    """
    packaged = {entry.name for entry in contents.entries}
    found = {use.module for file, use in imports.found.items() if file in packaged}
    # Python looks next to the script both here and on the cluster; the tree's root is on the cluster's path only.
    script_folder = imports.paths[0]
    gone = {
        use.module: (file, use)
        for file, use in imports.found.items()
        if file.startswith(script_folder)
        and file not in packaged
        and not use.guarded
        and use.module not in found
    }
    missing = [
        _missing(contents, imports.root, file, use)
        for module, (file, use) in gone.items()
        if not any(above in gone for above in _above(module))
    ]
    missing += [_escaping(file, one) for (file, _, _), one in imports.escaping.items() if not one.guarded]
    return tuple(sorted(missing, key=lambda one: (one.importer, one.line, one.module)))


def _above(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _missing(contents: Contents, root: str, file: str, use: ModuleUse) -> MissingImport:
    excluded = _excluded(contents, file)
    fix = _fix(root, file, excluded)
    return MissingImport(use.module, use.importer, use.line, excluded.reason, fix)


def _excluded(contents: Contents, file: str) -> Excluded:
    """Why a file is not packaged: it, or its nearest excluded parent directory, is excluded."""
    excluded = {one.name.rstrip("/"): one for one in contents.excluded}
    name = file
    while name and name not in excluded:
        name = name.rpartition("/")[0]
    return excluded.get(name, Excluded(file, "it is excluded"))


def _fix(root: str, file: str, excluded: Excluded) -> str:
    link = _link(root, file)
    if link:
        return _copy(root, link)
    if excluded.reason.startswith("ignored by "):
        line = shlex.quote(f"!/{excluded.name}")
        return f"echo {line} >> {shlex.quote(os.path.join(root, '.rayignore'))}"
    if excluded.reason.endswith("only regular files are packaged"):
        return f"replace it with a regular file: {excluded.name}"
    return f"rename {file} to a name that can be packaged, and change the import"


def _link(root: str, file: str) -> str:
    """The first part of a file's path that is a symlink; "" if none is."""
    parts = file.split("/")
    names = ("/".join(parts[: count + 1]) for count in range(len(parts)))
    return next((name for name in names if os.path.islink(os.path.join(root, name))), "")


def _copy(root: str, link: str) -> str:
    path = os.path.join(root, link)
    real = os.path.realpath(path)
    if not os.path.exists(real):
        return f"point {link} at the module, or replace it with the module itself"
    copied = f"replace the symlink with a copy: rm {shlex.quote(path)} && cp -R {shlex.quote(real)} {shlex.quote(path)}"
    above = os.path.commonpath([root, real])
    if os.path.isdir(real) or above in (root, "/"):
        return copied
    return f"{copied}\nor send their common parent folder: --working-dir {shlex.quote(above)}"


def _escaping(file: str, one: Import) -> MissingImport:
    dots = one.escaping.removeprefix("from ")
    level = len(dots) - len(dots.lstrip("."))
    plain = one.escaping.replace("from . import", "import").replace("from .", "from ")
    fix = f"write it as: {plain}" if level == 1 else "import it by its full name from the folder you send"
    return MissingImport(
        "", file, one.line, f"`{one.escaping}` will fail: {file} is not inside the package it refers to", fix
    )
