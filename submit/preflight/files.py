"""Local files that the job refers to in its arguments or source, but that are not packaged."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from raydock.jobscript.handlers import HANDLED_ERRORS
from raydock.jobscript.reach import Reach, walk

from ..findings import Finding, denied
from ..plan import JobPlan
from .analysis.paths import EXISTENCE_CHECKS, READERS, WRITERS, Paths
from .certainty import finding_for

OUTPUT = re.compile(
    r"-*(\w+[-_])?(out|save|dest|dst|log|checkpoint|ckpt|result|artifact|tmp|work|cache|write|target|model[-_]dir|storage)"
)
FILE_ERRORS = frozenset({"OSError", "IOError", "EnvironmentError", "FileNotFoundError"})
SYSTEM_PATHS = ("/dev", "/proc", "/sys", "/etc", "/usr", "/bin", "/opt", "/run")


def check_local_files(plan: JobPlan) -> Iterable[Finding]:
    """Check that the local files the job reads are packaged."""
    yield from in_arguments(plan)
    yield from in_source(plan)


def in_arguments(plan: JobPlan) -> Iterator[Finding]:
    """Check for arguments that are local files or folders and do not exist on the cluster."""
    flag = ""
    for word in plan.arguments:
        name, equals, value = word.partition("=") if word.startswith("-") else (flag, "", word)
        flag = word if word.startswith("-") and not equals else ""
        if flag or OUTPUT.match(name):
            continue
        for path in split_paths(value):
            if (found := local_path(plan, path, Path())) and not is_packaged(plan, path):
                yield denied(
                    "arguments", f"{word}: {path} is on this machine and is not packaged.", fix(plan, found)
                )


def in_source(plan: JobPlan) -> Iterator[Finding]:
    """Check for local files that the source reads, unless it writes them or first checks that they exist."""
    paths = Paths.of(plan)
    ours = (
        paths.passed_to(WRITERS) | paths.passed_to(READERS, writing=True) | paths.passed_to(EXISTENCE_CHECKS)
    )
    reported: set[str] = set()
    for name, node, reach in walk(plan.modules, plan.name, plan.conditions, HANDLED_ERRORS | FILE_ERRORS):
        if reach is Reach.HANDLED or not isinstance(node, ast.Call):
            continue
        path = paths.opened(node, name)
        if not path or path in reported | ours or is_packaged(plan, path):
            continue
        if found := local_path(plan, path, plan.folder) or local_path(plan, path, Path(plan.contents.root)):
            reported.add(path)
            yield finding_for(
                reach,
                "package",
                f"{name}:{node.lineno} reads {path}, which is on this machine and is not packaged.",
                fix(plan, found),
            )


def split_paths(value: str) -> list[str]:
    """The paths in an argument: a single one, or a comma-separated list."""
    return [value] if "," not in value else value.split(",")


def local_path(plan: JobPlan, path: str, base: Path) -> Path | None:
    """The local file or folder at a path, or None if there is none that a job could mean."""
    if not path or "://" in path or len(path) > 1000 or "\0" in path or path.startswith(SYSTEM_PATHS):
        return None
    found = base / os.path.expanduser(path)
    try:
        if found.is_file() and (re.search(r"[./]", path)):
            return found
        return found if found.is_dir() and "/" in path.rstrip("/") and any(found.iterdir()) else None
    except (OSError, ValueError):
        return None


def is_packaged(plan: JobPlan, path: str) -> bool:
    """Whether the path, or anything below it, is packaged under that name."""
    name = os.path.normpath(path)
    return not os.path.isabs(name) and any(
        entry.name == name or entry.name.startswith(f"{name}/") or name == "."
        for entry in plan.contents.entries
    )


def fix(plan: JobPlan, found: Path) -> str:
    """How to get the file to the cluster."""
    real = Path(os.path.realpath(found))
    packaged = next((entry.name for entry in plan.contents.entries if entry.path == real), "")
    if packaged:
        return f"use its name on the cluster: {packaged}"
    if real.is_relative_to(plan.folder):
        name = real.relative_to(plan.folder).as_posix() + ("/**" if real.is_dir() else "")
        return f'in the header of {plan.name}: files = ["{name}"], and use the path relative to the script'
    return "copy it next to the script and list it in the header's files, or upload it and pass its gs:// URI"
