"""What a job's header asks of a cluster: the `--job` of `diff`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from raydock.errors import UsageError
from raydock.jobscript.dependencies import name_of, requirement
from raydock.jobscript.header import read_header


@dataclass(frozen=True, slots=True)
class Needs:
    """`dependencies` by normalised name, as requirements; `cpus` and `gpus` of all workers together."""

    job: str = ""
    python: str = ""
    dependencies: dict[str, str] = field(default_factory=dict)
    cpus: float = 0
    gpus: float = 0


def read(path: Path) -> Needs:
    """What the script's header declares. Raises UsageError if the file or its header can't be read."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "it is not text"
        raise UsageError(f"{path} can't be read: {why}.", "Name a job script: --job jobs/x.py") from None
    return needs_of(source, str(path))


def needs_of(source: str, job: str) -> Needs:
    """The same, from the script's text. Raises UsageError."""
    header = read_header(source, job)
    return Needs(
        job,
        header.requires_python,
        {name_of(requirement(text)): text for text in header.dependencies},
        # The entrypoint's own reservation counts as well: one node must give it.
        max(header.needs.cpus, header.entrypoint.cpus),
        max(header.needs.gpus, header.entrypoint.gpus),
    )
