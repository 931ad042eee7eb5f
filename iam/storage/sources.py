"""Resolves a command's source paths to files on this machine and objects."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from iam.errors import FileFailed, MalformedResource
from iam.storage.paths import CloudPath, LocalPath, Path
from iam.storage.store import CloudFile, ObjectStore
from iam.storage.wildcards import compiled, fixed_prefix
from raydock.errors import NotFound
from raydock.terminal.commandline import near


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file on this machine, and its size in bytes."""

    path: LocalPath
    size: int


File: TypeAlias = LocalFile | CloudFile


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a source.

    top: the name of the source folder, "." if it has none; "" if the source is a single file
    rest: the path in that folder, or the file's name
    """

    file: File
    top: str
    rest: str


class FolderWithoutRecursive(MalformedResource):
    """A folder was given without -r."""


@dataclass(frozen=True, slots=True)
class SourceReader:
    """Finds the files of paths. With `recursive`, a folder stands for all files in it."""

    store: ObjectStore
    recursive: bool

    def items(self, path: Path) -> Iterator[Source]:
        """The files of one source. Raises NotFound if there is none."""
        found = list(self.in_cloud(path) if isinstance(path, CloudPath) else self.on_machine(path))
        if not found and isinstance(path, CloudPath) and path.name:
            raise self.store.missing(path)
        if not found and isinstance(path, LocalPath) and not os.path.isdir(path.text):
            raise missing_file(path)
        yield from found

    # Cloud Storage

    def in_cloud(self, path: CloudPath) -> Iterator[Source]:
        """The objects that a URI refers to: one object, a folder's contents or a pattern's matches."""
        if file := self.store.find(path):
            yield Source(file, "", basename(path.name))
        elif path.is_pattern:
            yield from self.matching(path)
        else:
            top = basename(path.folder.rstrip("/")) or path.bucket
            for file in self.store.files(path, path.folder):
                self.require_recursive(path)
                yield Source(file, top, file.path.name.removeprefix(path.folder))

    def matching(self, path: CloudPath) -> Iterator[Source]:
        """The objects that match a pattern. With -r, also those in matching folders."""
        pattern, folders, files = compiled(path.name), 0, 0
        for file in self.store.files(path, fixed_prefix(path.name)):
            found = pattern.fullmatch(file.path.name)
            if not found:
                continue
            if found["below"] and not self.recursive:
                folders += 1
                continue
            files += 1
            if not found["below"]:
                yield Source(file, "", basename(found["matched"]))
            else:
                yield Source(file, basename(found["matched"]), found["below"][1:])
        if folders and not files:
            raise FolderWithoutRecursive(f"Only folders match {path}.", "add -r")

    def require_recursive(self, path: Path) -> None:
        """Raise FolderWithoutRecursive without -r."""
        if not self.recursive:
            what = "bucket" if isinstance(path, CloudPath) and not path.name else "folder"
            raise FolderWithoutRecursive(f"{path} is a {what}.", "add -r")

    # This machine

    def on_machine(self, path: LocalPath) -> Iterator[Source]:
        """The files that a path refers to: one file, a folder's contents or a pattern's matches."""
        if path.is_pattern and not os.path.lexists(path.text):
            found = sorted(glob.glob(path.text, recursive=True))
            files = [text for text in found if self.recursive or not os.path.isdir(text)]
            if found and not files:
                raise FolderWithoutRecursive(f"Only folders match {path}.", "add -r")
            for text in files:
                yield from self.at(LocalPath(text))
        else:
            yield from self.at(path)

    def at(self, path: LocalPath) -> Iterator[Source]:
        """The file at a path, or the files in a folder."""
        if not os.path.isdir(path.text):
            yield Source(regular(path), "", os.path.basename(path.text))
            return
        self.require_recursive(path)
        top = os.path.basename(os.path.normpath(path.text))
        for file in walk(path.text):
            relative = os.path.relpath(file.path.text, path.text).replace(os.sep, "/")
            yield Source(file, "." if top == ".." else top, relative)


def walk(folder: str) -> Iterator[LocalFile]:
    """The files in a folder, sorted. Links to folders are not followed; pipes, sockets and devices are skipped."""

    def refuse(fault: OSError) -> None:
        raise unreadable(str(fault.filename), fault)

    for where, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            path = LocalPath(os.path.join(where, name))
            if os.path.isfile(path.text):
                yield regular(path)


def regular(path: LocalPath) -> LocalFile:
    """The file at a path. Raises NotFound, or MalformedResource for a device, a pipe or a socket."""
    try:
        about = os.stat(path.text)
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(path) from None
    except OSError as fault:
        raise unreadable(path.text, fault) from None
    if not stat.S_ISREG(about.st_mode):
        raise MalformedResource(f"{path} is not a regular file.", "copy its contents to a regular file first")
    return LocalFile(path, about.st_size)


def missing_file(path: LocalPath) -> NotFound:
    """The error for a path that does not exist."""
    if "\\" in path.text and os.sep == "/":
        return NotFound(f"{path} does not exist.", f"did you mean {path.text.replace(chr(92), '/')}?")
    folder, name = os.path.split(path.text.rstrip(os.sep))
    try:
        close = near(name, os.listdir(folder or "."))
    except OSError:
        close = ""
    fix = f"did you mean {os.path.join(folder, close)}?" if close else f"ls {folder or '.'}"
    return NotFound(f"{path} does not exist.", fix)


def unreadable(path: str, fault: OSError) -> FileFailed:
    """The error for a file or folder that can't be read."""
    return FileFailed(f"Could not read {path}: {fault.strerror or fault}.", f"ls -l {path}")


def basename(name: str) -> str:
    """The last part of an object's name."""
    return name.rpartition("/")[2]
