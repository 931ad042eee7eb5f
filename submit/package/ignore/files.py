"""Ignore files: .gitignore as Git reads it, and .rayignore, which has the same syntax and takes precedence.

.git/info/exclude and the user's global excludes are not read, so that a package does not depend on them. Patterns are
case-sensitive.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from ..errors import BadIgnoreFile, Unreadable
from ..limits import Limits
from .wildmatch import translate

KINDS = (".gitignore", ".rayignore")


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern of an ignore file."""

    expression: bytes
    negated: bool
    directories_only: bool
    anchored: bool  # matched against the path relative to the ignore file, else against the last name
    line: int
    text: str


def parse(data: bytes) -> list[Rule]:
    """The rules of an ignore file. Like Git, drops lines that can never match."""
    rules, serial = [], count()
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line and not line.startswith(b"#"):
            rule = _rule(_trim(line.removesuffix(b"\r").split(b"\0")[0]), number, serial)
            if rule is not None:
                rules.append(rule)
    return rules


def _rule(line: bytes, number: int, serial: count[int]) -> Rule | None:
    pattern = line[1:] if line.startswith(b"!") else line
    bare = pattern[:-1] if pattern.endswith(b"/") else pattern
    expression = translate(bare[1:] if bare.startswith(b"/") else bare, serial) if bare else None
    if expression is None:
        return None
    return Rule(
        expression,
        line.startswith(b"!"),
        pattern != bare,
        b"/" in bare,
        number,
        line.decode("utf-8", "backslashreplace"),
    )


def _trim(line: bytes) -> bytes:
    """The line without trailing spaces, except escaped ones."""
    bare = line.rstrip(b" ")
    if bare == line:
        return line
    backslashes = len(bare) - len(bare.rstrip(b"\\"))
    return bare + b" " if backslashes % 2 else bare


@dataclass(slots=True)
class IgnoreFile:
    """The rules of one ignore file, for the paths below its directory."""

    shown: str  # its path relative to the tree's root
    base: int  # length in bytes of its directory's path relative to the top, including the final "/"
    rules: list[Rule]
    _quick: tuple[re.Pattern[bytes] | None, re.Pattern[bytes] | None] = field(init=False)

    def __post_init__(self) -> None:
        self._quick = (
            _any(rule.expression for rule in self.rules if not rule.anchored),
            _any(rule.expression for rule in self.rules if rule.anchored),
        )

    def last_match(self, path: bytes, name: bytes, directory: bool) -> Rule | None:
        """The last rule that matches; `path` is relative to the top, `name` is its last part."""
        names, paths = self._quick
        path = path[self.base :]
        if not ((names and names.fullmatch(name)) or (paths and paths.fullmatch(path))):
            return None
        for rule in reversed(self.rules):
            if rule.directories_only and not directory:
                continue
            if re.fullmatch(rule.expression, path if rule.anchored else name, re.DOTALL):
                return rule
        return None


def _any(expressions: Iterable[bytes]) -> re.Pattern[bytes] | None:
    joined = b"|".join(expressions)
    return re.compile(joined, re.DOTALL) if joined else None


@dataclass(frozen=True, slots=True)
class Ignores:
    """The ignore files in force in one directory, from the top down, one tuple per kind."""

    git: tuple[IgnoreFile, ...] = ()
    ray: tuple[IgnoreFile, ...] = ()

    def reason(self, path: bytes, directory: bool) -> str | None:
        """Why `path`, relative to the top, is ignored, or None. Never called for paths below an ignored directory."""
        name = path[path.rfind(b"/") + 1 :]
        for files in (self.ray, self.git):
            for file in reversed(files):
                rule = file.last_match(path, name, directory)
                if rule is not None:
                    return None if rule.negated else f"ignored by {file.shown} line {rule.line}: {rule.text}"
        return None

    def entering(self, directory: str, shown: str, base: int, kinds: list[str], limits: Limits) -> Ignores:
        """These ignore files plus those in `directory`; `kinds` are the ones it contains.

        Raises BadIgnoreFile or Unreadable: without its ignore files, a directory might send anything.
        """
        git, ray = self.git, self.ray
        for kind in kinds:
            file = IgnoreFile(
                shown + kind, base, parse(_read(os.path.join(directory, kind), shown + kind, limits))
            )
            if kind == ".gitignore":
                git = (*git, file)
            else:
                ray = (*ray, file)
        return Ignores(git, ray)


def above(root: str, limits: Limits) -> tuple[Ignores, str]:
    """The ignore files from the top of the repository down to `root`, and the path from that top to `root`.

    The path ends with "/"; it is "" if `root` is the top or is not in a repository.
    """
    top = root
    while not os.path.lexists(os.path.join(top, ".git")):
        parent = os.path.dirname(top)
        if parent == top:
            return Ignores(), ""
        top = parent
    if top == root:
        return Ignores(), ""
    parts = os.path.relpath(root, top).split("/")
    ignores, directory = Ignores(), top
    for index, part in enumerate(parts):
        kinds = [kind for kind in KINDS if _is_file(os.path.join(directory, kind))]
        base = len(os.fsencode("".join(f"{one}/" for one in parts[:index])))
        ignores = ignores.entering(directory, "../" * (len(parts) - index), base, kinds, limits)
        directory = os.path.join(directory, part)
    return ignores, "/".join(parts) + "/"


def _is_file(path: str) -> bool:
    """Whether the path exists and is not a directory; a dangling symlink counts."""
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Unreadable(f"{path} cannot be checked: {error.strerror}.", f"Make {path} readable.") from error


def _read(path: str, shown: str, limits: Limits) -> bytes:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise _not_regular(shown)
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb", buffering=0) as stream:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise _not_regular(shown)
            data = stream.read(limits.ignore_file + 1)
    except OSError as error:
        raise Unreadable(
            f"{shown} cannot be read: {error.strerror}.", f"Make it readable: chmod u+r {shown}"
        ) from error
    if len(data) > limits.ignore_file:
        raise BadIgnoreFile(
            f"{shown} is larger than {limits.ignore_file:,} bytes, too large for an ignore file.",
            _fix(shown),
        )
    return data


def _not_regular(shown: str) -> BadIgnoreFile:
    return BadIgnoreFile(f"{shown} is not a regular file, so its rules cannot be read.", _fix(shown))


def _fix(shown: str) -> str:
    return f"Replace {shown} with a regular file that contains one pattern per line."
