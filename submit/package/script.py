"""The contents of a script's package: the script, the local modules it imports, and the files its header lists.

Ignore files do not apply here, since each file was requested. A script that is a symlink is followed; as in Python,
modules are then looked up next to the symlink's target, and the script is packaged under the name given.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path, PurePosixPath

from .contents import Contents, Entry, Excluded, contents_of
from .errors import (
    BadName,
    BrokenModule,
    EscapingFile,
    ForbiddenFile,
    NoSuchScript,
    UnmatchedFile,
)
from .ignore.files import Ignores
from .ignore.wildmatch import translate
from .limits import LIMITS, Limits
from .local_imports import LocalImports
from .predictions import with_predictions
from .reader import FileReader, mode_of
from .secrets.never_packaged import why_never, why_never_within
from .tree import Walk, check_name, file_entry, printable, symlink_entry

_HEADER = 'in the header\'s "files"'


def script_contents(script: Path, files: Sequence[str], limits: Limits = LIMITS) -> Contents:
    """The contents of the package for `script`.

    files: paths, directories or globs relative to the script's directory. A glob matches files ("*" within one
        directory, "**" across them); a directory means all files in it.
    Raises any PermanentError in `errors` except those about trees, and ContentsChanged.
    """
    real = os.path.realpath(script)
    found = _ScriptFiles(os.path.dirname(real), limits)
    found.put(_script_entry(script, real, limits))
    imports = LocalImports(found.root, found.source)
    imports.follow(script.name)
    for name in imports.found:  # includes extension modules, which are not read
        if name not in found.entries:
            found.add(name)
    needed = set(found.entries)
    for pattern in files:
        found.add_pattern(pattern)
    contents = contents_of(Path(found.root), found.entries.values(), found.excluded.values(), limits)
    contents = replace(contents, header_only=frozenset(set(found.entries) - needed))
    return with_predictions(contents, imports, script.name)


def _script_entry(script: Path, real: str, limits: Limits) -> Entry:
    try:
        found = os.stat(real)
    except OSError as error:
        raise NoSuchScript(
            f"{script} cannot be read: {error.strerror}.", "Pass an existing Python script."
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise NoSuchScript(f"{script} is not a regular file.", "Pass a Python script.")
    check_name(script.name, limits)
    return Entry(script.name, Path(real), mode_of(found), found.st_size)


class _ScriptFiles:
    """The files of one script's package, by name. The first file with a given name wins."""

    def __init__(self, root: str, limits: Limits) -> None:
        self.root, self.limits = root, limits
        self.entries: dict[str, Entry] = {}
        self.excluded: dict[str, Excluded] = {}

    def put(self, found: Entry | Excluded) -> None:
        if isinstance(found, Excluded):
            self.excluded.setdefault(found.name, found)
            return
        before = self.entries.setdefault(found.name, found)
        if before.path != found.path:
            raise BadName(
                f"The name {found.name} would refer to two files: {before.path} and {found.path}.",
                "Rename the symlink to the script.",
            )

    def add(self, name: str) -> None:
        """Add the file at `name` relative to the root. A symlink that stays inside the root is followed."""
        check_name(name, self.limits)
        path = os.path.join(self.root, name)
        linked = os.path.realpath(path) != path
        reason = self._why_never(name, False)
        if reason:
            self.put(Excluded(name, reason))
        else:
            self.put(
                symlink_entry(self.root, path, name) if linked else file_entry(path, name, os.lstat(path))
            )

    def _why_never(self, name: str, directory: bool) -> str | None:
        called = f"{os.path.basename(self.root)}/{name}"
        return why_never(called, directory) or why_never_within(name, directory)

    def source(self, name: str) -> bytes | None:
        """Package a module and return its source; None if it is excluded."""
        if name not in self.entries:
            self.add(name)
        entry = self.entries.get(name)
        if entry is None:
            return None
        if entry.size > self.limits.module:
            raise BrokenModule(
                f"{name} is larger than {self.limits.module:,} bytes, too large to scan for imports.",
                "Keep data in separate files, and list them " + _HEADER + ".",
            )
        with FileReader(Contents(Path(self.root), (entry,), ())) as reader:
            return b"".join(reader.chunks(entry))

    def add_pattern(self, pattern: str) -> None:
        """Add the files that one entry of the header's `files` matches."""
        parts = PurePosixPath(pattern).parts
        if os.path.isabs(pattern) or ".." in parts or not parts:
            raise EscapingFile(
                f"{pattern!r} {_HEADER} is not in the script's directory.",
                "Move it next to the script, or send the parent directory with --working-dir.",
            )
        name = "/".join(parts)
        path = os.path.join(self.root, name)
        if os.path.lexists(path) or not re.search(r"[*?\[]", name):
            self._literal(pattern, name, path)
        else:
            self._glob(pattern, name)

    def _literal(self, pattern: str, name: str, path: str) -> None:
        real = os.path.realpath(path)
        if not real.startswith(self.root.rstrip("/") + "/"):
            raise EscapingFile(
                f"{pattern!r} {_HEADER} is a symlink that points outside the script's directory.",
                "Copy the file next to the script.",
            )
        directory = os.path.isdir(real)
        target = real[len(self.root.rstrip("/")) + 1 :]
        reason = self._why_never(name, directory) or self._why_never(target, directory)
        if reason:
            raise ForbiddenFile(
                f"{pattern!r} {_HEADER} is excluded: {reason}.",
                "Remove it from the header; use the job's identity or an environment variable instead.",
            )
        if not os.path.lexists(real):
            raise UnmatchedFile(*_unmatched(pattern))
        if directory:
            self._walk(pattern, name + "/", real, lambda _: True, self.limits.depth)
        else:
            self.add(name)
            if name in self.excluded:
                raise ForbiddenFile(
                    f"{pattern!r} {_HEADER} is excluded: {self.excluded[name].reason}.",
                    "Remove it from the header.",
                )

    def _glob(self, pattern: str, name: str) -> None:
        expression = translate(os.fsencode(name), count())
        compiled = re.compile(expression if expression is not None else rb"(?!)", re.DOTALL)
        fixed = name[: re.search(r"[*?\[\\]", name).start()].rpartition("/")[0]  # type: ignore[union-attr]
        real = os.path.realpath(os.path.join(self.root, fixed))
        inside = (real + "/").startswith(self.root.rstrip("/") + "/")
        if not inside or not os.path.isdir(real):
            raise UnmatchedFile(*_unmatched(pattern))
        max_depth = (
            self.limits.depth if "**" in name else name.count("/") - (fixed.count("/") + 1 if fixed else 0)
        )
        prefix = fixed + "/" if fixed else ""
        self._walk(pattern, prefix, real, lambda one: bool(compiled.fullmatch(os.fsencode(one))), max_depth)

    def _walk(
        self, pattern: str, prefix: str, real: str, wanted: Callable[[str], bool], max_depth: int
    ) -> None:
        walk = Walk(self.root, self.limits, wanted=wanted)
        walk.max_depth = max_depth
        walk.directory(real, prefix, 0, Ignores())
        if not walk.entries:
            raise UnmatchedFile(*_unmatched(pattern, walk.excluded))
        for entry in walk.entries:
            self.put(entry)
        for excluded in walk.excluded:
            self.put(excluded)


def _unmatched(pattern: str, excluded: Sequence[Excluded] = ()) -> tuple[str, str]:
    why = f" that can be packaged: {printable(excluded[0].name)}: {excluded[0].reason}" if excluded else ""
    fix = "Fix or remove that line; paths are relative to the script's directory."
    return f"{pattern!r} {_HEADER} matches no file{why}.", fix
