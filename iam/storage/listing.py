"""The lines of `python -m iam ls`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from iam.storage.paths import CloudPath
from iam.storage.progress import readable
from iam.storage.store import CloudFile, ObjectStore
from iam.storage.wildcards import compiled, fixed_prefix
from raydock.units import counted

Entry: TypeAlias = CloudPath | CloudFile  # a folder or an object


def entries(store: ObjectStore, path: CloudPath, recursive: bool) -> list[Entry]:
    """The object at a path, a folder's contents or a pattern's matches. Raises NotFound."""
    found: list[Entry]
    if file := store.find(path):
        return [file]
    if path.is_pattern:
        found = list(matching(store, path, recursive))
    elif recursive:
        found = list(store.files(path, path.folder))
    else:
        folders, files = store.children(path)
        found = [*folders, *(file for file in files if file.path.name != path.folder)]
        if not found and files:  # only the placeholder of an empty folder
            return []
    if not found and path.name:
        raise store.missing(path)
    return found


def matching(store: ObjectStore, path: CloudPath, recursive: bool) -> Iterator[Entry]:
    """The folders and objects that match a pattern."""
    pattern, last = compiled(path.name), ""
    for file in store.files(path, fixed_prefix(path.name)):
        found = pattern.fullmatch(file.path.name)
        if found is None:
            continue
        if recursive or not found["below"]:
            yield file
        elif found["matched"] != last:
            last = found["matched"]
            yield CloudPath(path.bucket, f"{last}/")


def lines(found: list[Entry], long: bool) -> Iterator[str]:
    """One line per entry; `long` adds the size in bytes, the time and a total."""
    if not long:
        yield from (str(one.path if isinstance(one, CloudFile) else one) for one in found)
        return
    for one in found:
        if isinstance(one, CloudFile):
            yield f"{one.size:>12}  {one.updated:<20}  {one.path}"
        else:
            yield f"{'':>12}  {'':<20}  {one}"
    files = [one for one in found if isinstance(one, CloudFile)]
    yield f"{counted(len(files), 'object')}, {readable(sum(one.size for one in files))}"
