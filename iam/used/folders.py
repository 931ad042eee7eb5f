"""Groups object names by folder, so that a job's thousands of objects fit into a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MOST = 5  # groups per bucket


def folders_of(names: Iterable[str], most: int = MOST) -> Mapping[str, tuple[str, ...]]:
    """The names by folder: "a/b/" for "a/b/c", "" for the whole bucket. At most `most` folders: the deepest merge.

    A name that is alone in its folder is its own group, and so is the name of a folder.
    """
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(folder_of(name), set()).add(name)
    while len(groups) > most:
        merge(groups)
    return {label(folder, found): tuple(sorted(found)) for folder, found in sorted(groups.items())}


def merge(groups: dict[str, set[str]]) -> None:
    """Merge the deepest folders that have the same parent into it, those with the most siblings first."""
    depth = max(folder.count("/") for folder in groups)
    siblings: dict[str, list[str]] = {}
    for folder in groups:
        if folder.count("/") == depth:
            siblings.setdefault(folder_of(folder.removesuffix("/")), []).append(folder)
    parent = max(siblings, key=lambda one: (len(siblings[one]), one))
    for folder in siblings[parent]:
        moved = groups.pop(folder)
        groups.setdefault(parent, set()).update(moved)


def folder_of(name: str) -> str:
    """The folder of a name, with its slash; a folder is its own."""
    return name[: name.rfind("/") + 1]


def label(folder: str, names: Iterable[str]) -> str:
    """What a group is called: the folder, or its only object."""
    found = list(names)
    return found[0] if len(found) == 1 else folder


def common_folder(names: Iterable[str]) -> str:
    """The deepest folder with all names, or the name itself if there is only one; "" for a whole bucket."""
    found = sorted(set(names))
    if len(found) <= 1:
        return "".join(found)
    first, last = found[0], found[-1]
    same = next(
        (n for n, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first)
    )
    return folder_of(first[:same])
