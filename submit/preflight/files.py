"""Files of this machine that the job names and that do not travel: in its arguments, and in its text."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..findings import Finding, denied, unknown
from ..job_text import name_of
from .calls import text_of
from .draft import Draft
from .reach import Reach, walk

READERS = re.compile(
    r"open|read_\w+|load\w*|genfromtxt|imread|fromfile|from_file|parse|read|ImageFolder|safe_load|File|ParquetFile"
)
WRITERS = re.compile(
    r"to_\w+|save\w*|dump\w*|write\w*|imsave|mkdir|makedirs|touch|FileHandler|tofile|imwrite|rename|copy\w*|connect"
)
OUTPUT = re.compile(
    r"-*(\w+[-_])?(out|save|dest|dst|log|checkpoint|ckpt|result|artifact|tmp|work|cache|write|target|model[-_]dir|storage)"
)
READ_PATH = ("read_text", "read_bytes")
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
                    "arguments", f"{word}: {path} is on this machine and does not travel.", fix(draft, found)
                )


def in_text(draft: Draft) -> Iterator[Finding]:
    """Files that the text opens for reading, and that it does not write itself."""
    written = set(constants(draft, WRITERS)) | set(constants(draft, READERS, writing=True))
    told: set[str] = set()
    for name, tree in draft.modules.items():
        for node, reach in walk(tree):
            if reach is Reach.PROVIDED or not isinstance(node, ast.Call):
                continue
            path = opened(node)
            if not path or path in told | written or travels(draft, path):
                continue
            if found := local(draft, path, draft.folder):
                told.add(path)
                kind = denied if reach is Reach.ALWAYS else unknown
                yield kind(
                    "package",
                    f"{name}:{node.lineno} reads {path}, which is on this machine and does not travel.",
                    fix(draft, found),
                )


def constants(draft: Draft, calls: re.Pattern[str], writing: bool = False) -> Iterator[str]:
    """The strings that are given to calls of these names; with `writing`, to those that open a file for it."""
    for node in (node for tree in draft.modules.values() for node in ast.walk(tree)):
        if (
            isinstance(node, ast.Call)
            and calls.fullmatch(name_of(node.func))
            and (not writing or writes(node))
        ):
            for one in (*node.args, *(keyword.value for keyword in node.keywords), node.func):
                yield from filter(None, map(text_of, ast.walk(one)))


def opened(node: ast.Call) -> str:
    """The path that a call reads, where it says so in a constant."""
    of = node.func.value if isinstance(node.func, ast.Attribute) else None
    if isinstance(of, ast.Call) and name_of(of.func) == "Path" and name_of(node.func) in (*READ_PATH, "open"):
        return text_of(of.args[0]) if of.args and not writes(node) else ""
    if not READERS.fullmatch(name_of(node.func)) or writes(node):
        return ""
    return text_of(node.args[0]) if node.args else ""


def writes(node: ast.Call) -> bool:
    """Does a call open a file for writing?"""
    modes = [*node.args[:2], *(one.value for one in node.keywords if one.arg == "mode")]
    return any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax") for mode in map(text_of, modes))


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
        return f"its name there is {there}"
    if real.is_relative_to(draft.folder):
        name = real.relative_to(draft.folder).as_posix() + ("/**" if real.is_dir() else "")
        return f'in the header of {draft.name}: files = ["{name}"], and pass the path from there'
    return "copy it beside the script and name it in the header's files, or put it into a bucket and pass its gs:// URI"
