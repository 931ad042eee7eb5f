"""Files of this machine that the job names and that do not travel: in its arguments, and in its text."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..findings import Finding, denied
from .analysis.paths import ASKERS, READERS, WRITERS, Paths
from .analysis.reach import Reach, judged, walk
from .draft import Draft
from .handlers import FORGIVING

OUTPUT = re.compile(
    r"-*(\w+[-_])?(out|save|dest|dst|log|checkpoint|ckpt|result|artifact|tmp|work|cache|write|target|model[-_]dir|storage)"
)
FORGIVING_FILES = frozenset({"OSError", "IOError", "EnvironmentError", "FileNotFoundError"})
EVERYWHERE = ("/dev", "/proc", "/sys", "/etc", "/usr", "/bin", "/opt", "/run")


def check_local_files(draft: Draft) -> Iterable[Finding]:
    """What the job is told to read on this machine travels."""
    yield from in_arguments(draft)
    yield from in_text(draft)


def in_arguments(draft: Draft) -> Iterator[Finding]:
    """Arguments that are files or folders here, and nothing there."""
    flag = ""
    for word in draft.arguments:
        name, equals, value = word.partition("=") if word.startswith("-") else (flag, "", word)
        flag = word if word.startswith("-") and not equals else ""
        if flag or OUTPUT.match(name):
            continue
        for path in paths(value):
            if (found := local(draft, path, Path())) and not travels(draft, path):
                yield denied(
                    "arguments", f"{word}: {path} is on this machine and is not packaged.", fix(draft, found)
                )


def in_text(draft: Draft) -> Iterator[Finding]:
    """Files that the text opens for reading, and that it neither writes itself nor asks for first."""
    paths = Paths.of(draft)
    ours = paths.given_to(WRITERS) | paths.given_to(READERS, writing=True) | paths.given_to(ASKERS)
    told: set[str] = set()
    for name, node, reach in walk(draft.modules, draft.name, draft.conditions, FORGIVING | FORGIVING_FILES):
        if reach is Reach.PROVIDED or not isinstance(node, ast.Call):
            continue
        path = paths.opened(node, name)
        if not path or path in told | ours or travels(draft, path):
            continue
        if found := local(draft, path, draft.folder) or local(draft, path, Path(draft.contents.root)):
            told.add(path)
            yield judged(
                reach,
                "package",
                f"{name}:{node.lineno} reads {path}, which is on this machine and is not packaged.",
                fix(draft, found),
            )


def paths(value: str) -> list[str]:
    """The paths that an argument may hold: itself, or a list with commas."""
    return [value] if "," not in value else value.split(",")


def local(draft: Draft, path: str, base: Path) -> Path | None:
    """What the path is on this machine, where it is something that a job could mean."""
    if not path or "://" in path or len(path) > 1000 or "\0" in path or path.startswith(EVERYWHERE):
        return None
    found = base / os.path.expanduser(path)
    try:
        if found.is_file() and (re.search(r"[./]", path)):
            return found
        return found if found.is_dir() and "/" in path.rstrip("/") and any(found.iterdir()) else None
    except (OSError, ValueError):
        return None


def travels(draft: Draft, path: str) -> bool:
    """Is it, or anything in it, in the job's folder under that name?"""
    name = os.path.normpath(path)
    return not os.path.isabs(name) and any(
        entry.name == name or entry.name.startswith(f"{name}/") or name == "."
        for entry in draft.contents.entries
    )


def fix(draft: Draft, found: Path) -> str:
    """How the file gets there."""
    real = Path(os.path.realpath(found))
    there = next((entry.name for entry in draft.contents.entries if entry.path == real), "")
    if there:
        return f"use its name on the cluster: {there}"
    if real.is_relative_to(draft.folder):
        name = real.relative_to(draft.folder).as_posix() + ("/**" if real.is_dir() else "")
        return f'in the header of {draft.name}: files = ["{name}"], and pass the path relative to the script'
    return "copy it next to the script and list it in the header's files, or upload it and pass its gs:// URI"
