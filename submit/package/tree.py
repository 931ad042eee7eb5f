"""The contents of a directory: what `--working-dir DIR` sends.

A symlink to a file inside the tree is packaged as that file's content. A symlink to a directory inside the tree is
excluded: its files are packaged under their own names, and no cycle is possible. A symlink that points outside the
tree is excluded. The root itself may be a symlink or ignored, since the user asked for it. Empty directories are
excluded.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from .contents import WHERE, Contents, Entry, Excluded, contents_of
from .errors import BadName, NoSuchTree, RefusedTree, TooDeep, TooManyFiles
from .ignore.files import KINDS, Ignores, above
from .limits import LIMITS, Limits
from .predictions import with_predictions
from .reader import mode_of, unreadable
from .secrets.credential_text import bytes_to_judge, why_never_by_text
from .secrets.never_packaged import VIRTUALENV, why_never, why_never_within, why_secret
from .sources import follow_imports

_KINDS = {
    stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}  # fmt: skip


def tree_contents(root: Path, limits: Limits = LIMITS, script: str = "") -> Contents:
    """Everything below `root` except what .gitignore, .rayignore and `never_packaged` exclude.

    With `script`, a path relative to `root`, also predict which of its imports and programs will fail.

    Raises any PermanentError in `errors` except those about scripts. Reads only ignore files, files that may
    contain credentials, and the script's modules.
    """
    real = _real_root(root)
    ignores, from_top = above(real, limits)
    walk = Walk(real, limits, from_top=from_top, ignore_files=True)
    walk.directory(real, "", 0, ignores)
    contents = contents_of(Path(real), walk.entries, walk.excluded, limits, tree=True)
    return with_predictions(contents, *follow_imports(Path(real, script), Path(real))) if script else contents


class Walk:
    """Walk a tree and collect `entries` and `excluded`. `wanted`, if given, selects files by name.

    With `ignore_files`, .gitignore and .rayignore apply.
    """

    def __init__(
        self,
        root: str,
        limits: Limits,
        *,
        from_top: str = "",
        ignore_files: bool = False,
        wanted: Callable[[str], bool] | None = None,
    ) -> None:
        self.root, self.limits, self.ignore_files, self.wanted = root, limits, ignore_files, wanted
        self._called = os.path.basename(root) + "/"
        self.from_top = os.fsencode(from_top)  # the path to the root from the top of its repository
        self.max_depth = limits.depth  # deeper directories are not entered; a glob may lower it
        self.entries: list[Entry] = []
        self.excluded: list[Excluded] = []
        self._scanned = 0

    def directory(self, path: str, prefix: str, depth: int, ignores: Ignores) -> None:
        """Walk the directory at `path`; the names of its files start with `prefix`."""
        found = self._listing(path, prefix)
        names = {item.name for item in found if not item.is_dir(follow_symlinks=False)}
        if "pyvenv.cfg" in names:
            self.excluded.append(Excluded(printable(prefix) or "./", VIRTUALENV))
            return
        kinds = [kind for kind in KINDS if kind in names] if self.ignore_files else []
        base = self.from_top + os.fsencode(prefix)
        if kinds:
            ignores = ignores.entering(path, prefix, len(base), kinds, self.limits)
        for item in found:
            name, directory = prefix + item.name, item.is_dir(follow_symlinks=False)
            reason = why_never(self._called + name, directory) or ignores.reason(
                base + os.fsencode(item.name), directory
            )
            if reason is not None:
                if self.wanted is None or self.wanted(name):
                    self.excluded.append(Excluded(printable(name + "/" if directory else name), reason))
            elif directory:
                self._enter(item, name, depth + 1, ignores)
            elif self.wanted is None or self.wanted(name):
                self._file(item, name)

    def _enter(self, item: os.DirEntry[str], name: str, depth: int, ignores: Ignores) -> None:
        if depth > self.max_depth:
            if self.max_depth < self.limits.depth:
                return
            raise TooDeep(
                f"{printable(name)}/ is nested more than {self.limits.depth} directories deep.",
                f"Exclude it or one of its parent directories ({WHERE}).",
            )
        check_name(name, self.limits)
        self.directory(item.path, name + "/", depth, ignores)

    def _file(self, item: os.DirEntry[str], name: str) -> None:
        check_name(name, self.limits)
        try:
            state = item.stat(follow_symlinks=False)
        except FileNotFoundError:  # deleted since it was listed
            return
        found = (
            symlink_entry(self.root, item.path, name)
            if item.is_symlink()
            else file_entry(item.path, name, state)
        )
        if isinstance(found, Entry):
            self.entries.append(found)
        else:
            self.excluded.append(found)

    def _listing(self, path: str, prefix: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(path) as items:
                found = []
                for item in items:
                    found.append(item)
                    self._scanned += 1
                    if self._scanned > self.limits.scanned:
                        raise TooManyFiles(
                            f"{self.root} contains more than {self.limits.scanned:,} files and directories.",
                            f"Exclude directories that the job does not need ({WHERE}).",
                        )
        except OSError as error:
            raise unreadable(prefix or self.root, error) from error
        return found


def symlink_entry(root: str, path: str, name: str) -> Entry | Excluded:
    """The file that a symlink inside the tree `root` points to, or why it is excluded."""
    real = os.path.realpath(path)
    within = root.rstrip("/") + "/"
    if not (real + "/").startswith(within):
        return Excluded(name, "a symlink that points outside the tree")
    target = real[len(within) :] or "."
    try:
        found = os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Excluded(name, "a circular symlink")
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Excluded(name, f"a symlink to {printable(target)}, which does not exist")
        raise unreadable(name, error) from error
    directory = stat.S_ISDIR(found.st_mode)
    reason = why_never(f"{os.path.basename(root)}/{target}", directory) or why_never_within(target, directory)
    if directory:
        reason = reason or "directories are packaged under their own name only"
        target += "/"
    return (
        Excluded(name, f"a symlink to {printable(target)}: {reason}")
        if reason
        else file_entry(real, name, found, target)
    )


def file_entry(path: str, name: str, found: os.stat_result, called: str = "") -> Entry | Excluded:
    """The entry of a regular file; anything else is excluded without opening it.

    called: the name of the target, if `name` is a symlink to it.
    """
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "not a regular file")
        return Excluded(name, f"{kind}; only regular files are packaged")
    for judged in dict.fromkeys((name, called or name)):
        enough = bytes_to_judge(judged, found.st_size)
        reason = why_never_by_text(judged, _start(path, name, enough)) if enough else None
        if reason:
            return Excluded(name, reason)
    return Entry(name, Path(path), mode_of(found), found.st_size)


def check_name(name: str, limits: Limits) -> None:
    """Raise BadName for a name that a zip cannot hold or that unpacks to something else."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        why = "its bytes are not UTF-8"
    else:
        if "\\" not in name and size <= limits.name:
            return
        why = (
            "it contains a backslash"
            if "\\" in name
            else f"it is {size:,} bytes long; the limit is {limits.name:,}"
        )
    short = printable(name) if len(name) <= 200 else printable(name[:200]) + "…"
    raise BadName(f"The name {short} cannot be packed: {why}.", f"Rename it, or exclude it ({WHERE}).")


def printable(name: str) -> str:
    """The name in printable form: bytes that are not UTF-8 become \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _start(path: str, name: str, size: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb", buffering=0) as stream:
            return stream.read(size) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except OSError as error:
        raise unreadable(name, error) from error


def _real_root(root: Path) -> str:
    real = os.path.realpath(root)
    if not os.path.isdir(real):
        what = "is not a directory" if os.path.lexists(root) else "does not exist"
        raise NoSuchTree(f"{root} {what}.", "Pass an existing directory to --working-dir.")
    fix = "Pass the directory that contains the job as --working-dir."
    home = os.path.realpath(os.path.expanduser("~"))
    if real == "/" or (home + "/").startswith(real + "/"):
        what = "the root of the file system" if real == "/" else "your home directory"
        relation = "is" if real in ("/", home) else "contains"
        raise RefusedTree(f"{root} {relation} {what}, which is never sent as a whole.", fix)
    if os.path.lexists(os.path.join(real, "pyvenv.cfg")):
        raise RefusedTree(f"{root} is {VIRTUALENV}.", fix)
    reason = why_secret(real)
    if reason:
        raise RefusedTree(f"{root} cannot be sent: {reason}.", fix)
    return real
