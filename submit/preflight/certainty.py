"""How certain a finding is, by whether the line that it is about runs."""

from __future__ import annotations

from raydock.jobscript.reach import Reach

from ..findings import Finding, denied, ok, unknown


def judged(reach: Reach, check: str, text: str, fix: str) -> Finding:
    """DENIED for a line that runs, UNKNOWN for one that may; a remark for one that only a condition leads to."""
    if reach is Reach.IF:
        return ok(check, f"{text.removesuffix('.')}; a condition decides whether it runs")
    return (denied if reach is Reach.ALWAYS else unknown)(check, text, fix)
