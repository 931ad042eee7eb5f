"""A script as contents: itself, the modules beside it that it imports, and the files that its header names.

Ignore files do not count here: each file was asked for. A script that is a link is followed, since it was named; the
directory beside it is that of the link's target, as for Python, and it travels under the name that was given.
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
from .predictions import foreseen
from .reader import FileReader, mode_of
from .secrets.never_packaged import why_never, why_never_within
from .tree import Walk, check_name, regular, shown, through_link

_HEADER = 'in the header\'s "files"'


def script_contents(script: Path, files: Sequence[str], limits: Limits = LIMITS) -> Contents:
    """What travels with `script`; `files` are paths, directories or globs relative to its directory.

    A glob matches files ("*" within one directory, "**" across them); a directory stands for all its files.
    Raises any FixFirst of `errors` but those of trees, and ContentsChanged.
    """
    real = os.path.realpath(script)
    gathered = _Gathered(os.path.dirname(real), limits)
    gathered.put(_script_entry(script, real, limits))
    siblings = LocalImports(gathered.root, gathered.source)
    siblings.follow(script.name)
    for name in siblings.found:  # extension modules too, which are not read
        if name not in gathered.entries:
            gathered.add(name)
    needed = set(gathered.entries)
    for pattern in files:
        gathered.named(pattern)
    contents = contents_of(Path(gathered.root), gathered.entries.values(), gathered.left.values(), limits)
    contents = replace(contents, named=frozenset(set(gathered.entries) - needed))
    return foreseen(contents, siblings, script.name)


def _script_entry(script: Path, real: str, limits: Limits) -> Entry:
    try:
        found = os.stat(real)
    except OSError as error:
        raise NoSuchScript(
            f"{script} cannot be read: {error.strerror}.", "Name an existing Python script."
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise NoSuchScript(f"{script} is not a regular file.", "Name a Python script.")
    check_name(script.name, limits)
    return Entry(script.name, Path(real), mode_of(found), found.st_size)


class _Gathered:
    """Files of one script's package by name; the first file of a name stays."""

    def __init__(self, root: str, limits: Limits) -> None:
        self.root, self.limits = root, limits
        self.entries: dict[str, Entry] = {}
        self.left: dict[str, Excluded] = {}

    def put(self, found: Entry | Excluded) -> None:
        if isinstance(found, Excluded):
            self.left.setdefault(found.name, found)
            return
        before = self.entries.setdefault(found.name, found)
        if before.path != found.path:
            raise BadName(
                f"The name {found.name} would stand for two files: {before.path} and {found.path}.",
                "Rename the link to the script.",
            )

    def add(self, name: str) -> None:
        """Put the file at `name` from the root, a link that stays in the root followed."""
        check_name(name, self.limits)
        path = os.path.join(self.root, name)
        linked = os.path.realpath(path) != path
        reason = self._why_never(name, False)
        if reason:
            self.put(Excluded(name, reason))
        else:
            self.put(through_link(self.root, path, name) if linked else regular(path, name, os.lstat(path)))

    def _why_never(self, name: str, directory: bool) -> str | None:
        called = f"{os.path.basename(self.root)}/{name}"
        return why_never(called, directory) or why_never_within(name, directory)

    def source(self, name: str) -> bytes | None:
        """The text of a module, which thereby travels; None if it is left out."""
        if name not in self.entries:
            self.add(name)
        entry = self.entries.get(name)
        if entry is None:
            return None
        if entry.size > self.limits.module:
            raise BrokenModule(
                f"{name} is larger than {self.limits.module:,} bytes, too large to look for imports in.",
                "Keep data in data files, and list them " + _HEADER + ".",
            )
        with FileReader(Contents(Path(self.root), (entry,), ())) as reader:
            return b"".join(reader.chunks(entry))

    def named(self, pattern: str) -> None:
        """Add what one line of the header names."""
        parts = PurePosixPath(pattern).parts
        if os.path.isabs(pattern) or ".." in parts or not parts:
            raise EscapingFile(
                f"{pattern!r} {_HEADER} does not lie in the script's directory.",
                "Move it beside the script, or send the directory above with --working-dir.",
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
                f"{pattern!r} {_HEADER} is a link that leads out of the script's directory.",
                "Copy the file beside the script.",
            )
        directory = os.path.isdir(real)
        target = real[len(self.root.rstrip("/")) + 1 :]
        reason = self._why_never(name, directory) or self._why_never(target, directory)
        if reason:
            raise ForbiddenFile(
                f"{pattern!r} {_HEADER} does not travel: {reason}.",
                "Take it out of the header; the job's identity or an environment variable replaces it.",
            )
        if not os.path.lexists(real):
            raise UnmatchedFile(*_unmatched(pattern))
        if directory:
            self._walk(pattern, name + "/", real, lambda _: True, self.limits.depth)
        else:
            self.add(name)
            if name in self.left:
                raise ForbiddenFile(
                    f"{pattern!r} {_HEADER} does not travel: {self.left[name].reason}.",
                    "Take it out of the header.",
                )

    def _glob(self, pattern: str, name: str) -> None:
        expression = translate(os.fsencode(name), count())
        compiled = re.compile(expression if expression is not None else rb"(?!)", re.DOTALL)
        fixed = name[: re.search(r"[*?\[\\]", name).start()].rpartition("/")[0]  # type: ignore[union-attr]
        real = os.path.realpath(os.path.join(self.root, fixed))
        inside = (real + "/").startswith(self.root.rstrip("/") + "/")
        if not inside or not os.path.isdir(real):
            raise UnmatchedFile(*_unmatched(pattern))
        deepest = (
            self.limits.depth if "**" in name else name.count("/") - (fixed.count("/") + 1 if fixed else 0)
        )
        prefix = fixed + "/" if fixed else ""
        self._walk(pattern, prefix, real, lambda one: bool(compiled.fullmatch(os.fsencode(one))), deepest)

    def _walk(
        self, pattern: str, prefix: str, real: str, wanted: Callable[[str], bool], deepest: int
    ) -> None:
        walk = Walk(self.root, self.limits, wanted=wanted)
        walk.deepest = deepest
        walk.directory(real, prefix, 0, Ignores())
        if not walk.entries:
            raise UnmatchedFile(*_unmatched(pattern, walk.left))
        for entry in walk.entries:
            self.put(entry)
        for left in walk.left:
            self.put(left)


def _unmatched(pattern: str, left: Sequence[Excluded] = ()) -> tuple[str, str]:
    why = f" that may travel: {shown(left[0].name)}: {left[0].reason}" if left else ""
    fix = "Mend or remove that line; paths start at the script's directory."
    return f"{pattern!r} {_HEADER} matches no file{why}.", fix
