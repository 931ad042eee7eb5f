"""Reading the files of a package safely: no symlinks, no devices, no endless reads."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from types import TracebackType

from .contents import WHERE, Contents, Entry
from .errors import ContentsChanged, Unreadable

CHUNK = 1024 * 1024  # bytes read at a time
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP}
AGAIN = f"Run the command again; exclude files that are still being written ({WHERE})."


class FileReader:
    """Open files one directory at a time from the root, so that a path swapped for a symlink is never followed."""

    def __init__(self, contents: Contents) -> None:
        self._root = os.fspath(contents.root)
        self._skip = len(self._root.rstrip("/")) + 1
        self._above: str | None = None  # the directory of the last file, open as _fd
        self._fd = -1
        self._open: list[tuple[str, int]] = []  # the open directories: ("", root), (name, …) …

    def __enter__(self) -> FileReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keep(0)

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of one file, in chunks of at most CHUNK bytes.

        Raises ContentsChanged if it is no longer the file that was listed, Unreadable if it cannot be read.
        """
        fd = self._file(entry)
        try:
            now = os.fstat(fd)
            same = stat.S_ISREG(now.st_mode) and now.st_size == entry.size and mode_of(now) == entry.mode
            left = entry.size
            while same and left >= 0:  # read one byte more than expected: it must not exist
                data = os.read(fd, min(CHUNK, left + 1))
                left -= len(data)
                if not data or left < 0:
                    same = left == 0
                    break
                yield data
                if left == 0 and len(data) < CHUNK:
                    break
            if not same:
                raise _changed(entry)
        except OSError as error:
            raise unreadable(entry.name, error) from error
        finally:
            os.close(fd)

    def _file(self, entry: Entry) -> int:
        above, _, last = os.fspath(entry.path)[self._skip :].rpartition("/")
        try:
            if above != self._above:
                self._fd, self._above = self._directory(above.split("/") if above else []), above
            return os.open(last, _FILE, dir_fd=self._fd)
        except OSError as error:
            if error.errno in _GONE:
                raise _changed(entry) from error
            raise unreadable(entry.name, error) from error

    def _directory(self, names: list[str]) -> int:
        self._above = None
        wanted = ["", *names]
        common = 0
        while common < len(self._open) and common < len(wanted) and self._open[common][0] == wanted[common]:
            common += 1
        self._keep(common)
        for name in wanted[common:]:
            above = self._open[-1][1] if self._open else None
            self._open.append((name, os.open(name or self._root, _DIRECTORY, dir_fd=above)))
        return self._open[-1][1]

    def _keep(self, count: int) -> None:
        while len(self._open) > count:
            os.close(self._open.pop()[1])


def mode_of(found: os.stat_result) -> int:
    """0o755 if the owner may execute the file, else 0o644."""
    return 0o755 if found.st_mode & stat.S_IXUSR else 0o644


def unreadable(name: str, error: OSError) -> Unreadable:
    """The error for a file or directory that the system refuses to read."""
    return Unreadable(
        f"{name} cannot be read: {error.strerror}.",
        f"Make it readable (chmod u+r {name}), or exclude it ({WHERE}).",
    )


def _changed(entry: Entry) -> ContentsChanged:
    return ContentsChanged(f"{entry.name} changed while it was being packaged.", AGAIN)
