"""Plans where each source file is copied to. All invalid copies are refused here, before anything is copied."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from iam.errors import MalformedResource
from iam.policy.resource import wrong_object
from iam.storage.paths import CloudPath, LocalPath, Path
from iam.storage.sources import File, LocalFile, Source


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination path. `is_folder`: whether it is an existing folder, or its name ends with a slash."""

    path: Path
    is_folder: bool

    def relative(self, item: Source) -> str:
        """A file's path below the destination; "" if the destination itself becomes the file.

        As with `cp`, an existing folder receives the source folder itself; a new name receives only its contents.
        """
        if item.top and item.top != "." and self.is_folder:
            return f"{item.top}/{item.rest}"
        return item.rest if item.top or self.is_folder else ""

    def copy_of(self, item: Source) -> Copy:
        """The copy of a file. Raises MalformedResource."""
        relative = self.relative(item)
        copy = Copy(item.file, below(self.path, relative) if relative else self.path)
        require_valid(copy, relative)
        return copy


@dataclass(frozen=True, slots=True)
class Copy:
    """One file to copy."""

    source: File
    target: Path


def planned(sources: Sequence[Sequence[Source]], destination: Destination) -> list[Copy]:
    """What to copy where. `sources` lists the files of each source path. Raises MalformedResource."""
    items = [item for found in sources for item in found]
    require_folder(sources, items, destination)
    to_machine = isinstance(destination.path, LocalPath)
    copies = [destination.copy_of(item) for item in items if not (to_machine and is_placeholder(item))]
    require_distinct(copies)
    return copies


def require_folder(
    sources: Sequence[Sequence[Source]], items: Sequence[Source], destination: Destination
) -> None:
    """Raise MalformedResource if several files, or several folders, would get the same name."""
    named = [item for item in items if not item.top]
    tops = {item.top for item in items if item.top}
    many = len(named) > 1 or len(tops) > 1 or (bool(named) and bool(tops)) or len(sources) > 1
    if isinstance(destination.path, LocalPath) and not destination.is_folder:
        many = many or (bool(tops) and os.path.lexists(destination.path.text))
    if many and not destination.is_folder:
        name = str(destination.path)
        kind = (
            "a file"
            if isinstance(destination.path, LocalPath) and os.path.lexists(name)
            else "not an existing folder"
        )
        raise MalformedResource(
            f"{len(items):,} files can only be copied to a folder, but {name} is {kind}.",
            f"to create a folder, add a slash: {name.rstrip('/')}/",
        )


def below(path: Path, relative: str) -> Path:
    """The path of a file in a folder."""
    if isinstance(path, CloudPath):
        return path.below(relative)
    return LocalPath(os.path.join(path.text, *relative.split("/")))


def is_placeholder(item: Source) -> bool:
    """Whether an object is only the placeholder of a folder, as Google's console creates it."""
    return not item.rest or item.rest.endswith("/")


def require_valid(copy: Copy, relative: str) -> None:
    """Raise MalformedResource if the target's name is invalid; `relative` must not lead out of the destination."""
    source = copy.source.path
    if copy.target == source:
        raise MalformedResource(f"{source} can't be copied to itself.", "choose another destination")
    if isinstance(copy.target, CloudPath):
        if wrong := wrong_name(copy.target.name):
            raise MalformedResource(f"{source} can't be copied to {copy.target}: {wrong}.", "rename it")
    elif relative and not all(map(is_safe, relative.split("/"))):
        text = f'{source} can\'t be copied into a folder: "{relative}" is not a valid file name.'
        raise MalformedResource(
            text, f"copy it separately, under another name: python -m iam cp '{source}' FILE"
        )


def is_safe(part: str) -> bool:
    """Whether a part of an object's name is a valid file name on this system."""
    if part in ("", ".", ".."):
        return False
    return not (set(part) & ({"\0"} if os.sep == "/" else set('\0\\:*?"<>|')))


def wrong_name(name: str) -> str:
    """Why an object can't have this name, or ""."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "the name is not valid UTF-8"
    return wrong_object(name)


def require_distinct(copies: Iterable[Copy]) -> None:
    """Raise MalformedResource if two files have the same target, or one's target is the other's folder."""
    targets = dict[str, Copy]()
    for copy in copies:
        name = str(copy.target)
        if (other := targets.setdefault(name, copy)) is not copy:
            text = f"{other.source.path} and {copy.source.path} would both be copied to {name}."
            raise MalformedResource(text, "copy them to different folders")
    for copy in targets.values():
        if isinstance(copy.target, LocalPath):
            for folder in folders_of(copy.target.text):
                if folder in targets:
                    both = f"{targets[folder].source.path} and {copy.source.path}"
                    text = f"{both} can't both be copied: {folder} would be a file and a folder."
                    raise MalformedResource(text, "copy one of them separately, under another name")


def folders_of(path: str) -> Iterable[str]:
    """The folders that contain a path."""
    while (folder := os.path.dirname(path)) and folder != path:
        yield folder
        path = folder


def size_of(copies: Iterable[Copy]) -> int:
    """The bytes to copy."""
    return sum(copy.source.size for copy in copies)


def is_upload(copy: Copy) -> bool:
    """Whether a file on this machine is copied."""
    return isinstance(copy.source, LocalFile)
