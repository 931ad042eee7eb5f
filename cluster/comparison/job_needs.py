"""The requirements in a job's header that a cluster must meet, for `diff --job`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from raydock.errors import UsageError
from raydock.jobscript.dependencies import name_of, requirement
from raydock.jobscript.header import read_header


@dataclass(frozen=True, slots=True)
class Needs:
    """A job's requirements. `dependencies` is keyed by normalized name. `cpus` and `gpus` are for the whole cluster."""

    job: str = ""
    python: str = ""
    dependencies: dict[str, str] = field(default_factory=dict)
    cpus: float = 0
    gpus: float = 0


def read_needs(path: Path) -> Needs:
    """The requirements in a script's header. Raises UsageError if the file or its header can't be read."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "not a text file"
        raise UsageError(f"Can't read {path}: {why}.", "Pass a job script: --job jobs/x.py") from None
    return needs_of(source, str(path))


def needs_of(source: str, job: str) -> Needs:
    """The requirements in a script's source. Raises UsageError if its header can't be read."""
    header = read_header(source, job)
    return Needs(
        job,
        header.requires_python,
        {name_of(requirement(text)): text for text in header.dependencies},
        # The entrypoint's reservation counts too, because one node must provide it.
        max(header.needs.cpus, header.entrypoint.cpus),
        max(header.needs.gpus, header.entrypoint.gpus),
    )
