"""Choose a finding's outcome by how certain the code is to run."""

from __future__ import annotations

from raydock.jobscript.reach import Reach

from ..findings import Finding, denied, ok, unknown


def finding_for(reach: Reach, check: str, text: str, fix: str) -> Finding:
    """A finding: DENIED for code that certainly runs, UNKNOWN for code that may, OK with a note if conditional."""
    if reach is Reach.CONDITIONAL:
        return ok(check, f"{text.removesuffix('.')}; whether it runs depends on a condition")
    return (denied if reach is Reach.ALWAYS else unknown)(check, text, fix)
