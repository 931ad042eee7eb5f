"""What a job's header asks of a cluster, read again here: raydock/jobscript/header.py is not for this package.

It checks nothing: the submitter does that, in full, when the job is sent.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raydock.errors import UsageError

BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")  # PEP 723


@dataclass(frozen=True, slots=True)
class Needs:
    """`dependencies` by normalised name, as requirements; `cpus` and `gpus` of all workers together."""

    job: str = ""
    python: str = ""
    dependencies: dict[str, str] = field(default_factory=dict)
    cpus: float = 0
    gpus: float = 0


def read(path: Path) -> Needs:
    """UsageError where the file can't be read or its header is no TOML."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "it is no text"
        raise UsageError(f"{path} can't be read: {why}.", "Name a job script: --job jobs/x.py") from None
    try:
        return needs_of(source, str(path))
    except (ValueError, TypeError, AttributeError) as fault:
        why = str(fault).split(" (at")[0]
        raise UsageError(
            f"{path}: the header can't be read: {why}.", f"python submit.py check {path}"
        ) from None


def needs_of(source: str, job: str) -> Needs:
    found = BLOCK.search(source)
    if not found:
        return Needs(job)
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    lines = [line.removeprefix("#").removeprefix(" ") for line in found["content"].splitlines()]
    told: dict[str, Any] = tomllib.loads("\n".join(lines))
    submit = told.get("tool", {}).get("submit", {})
    # The entrypoint's own reservation counts as well: one node must give it.
    tables = [submit.get("needs", {}), submit.get("entrypoint", {})]
    return Needs(
        job,
        str(told.get("requires-python", "")),
        {name_of(text): text for text in told.get("dependencies", [])},
        max(float(table.get("cpus", 0)) for table in tables),
        max(float(table.get("gpus", 0)) for table in tables),
    )


def name_of(requirement: str) -> str:
    """The package's name, normalised as in PEP 503."""
    name = re.match(r"\s*[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0].strip()).lower() if name else requirement
