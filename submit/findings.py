"""What a check found: OK, DENIED or UNKNOWN. UNKNOWN is never OK."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# What `--skip-check=NAMES` takes: every finding has one of these names, or one of NOTES.
CHECKS = (
    "package",
    "secrets",
    "imports",
    "shadowing",
    "environment",
    "arguments",
    "ray",
    "python",
    "resources",
    "disk",
    "storage",
    "dependencies",
    "script",
)
NOTES = ("left out",)  # said beside the checks; they pass always


class Outcome(Enum):
    """The three answers of a check."""

    OK = "OK"
    DENIED = "DENIED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of one check; whatever is not OK ends with what mends it."""

    check: str
    verdict: Outcome
    message: str
    fix: str = ""


def ok(check: str, message: str) -> Finding:
    """The check passed."""
    return Finding(check, Outcome.OK, message)


def denied(check: str, message: str, fix: str) -> Finding:
    """The job would fail of this."""
    return Finding(check, Outcome.DENIED, message, fix)


def unknown(check: str, message: str, fix: str) -> Finding:
    """It can't be told whether the job would fail of this."""
    return Finding(check, Outcome.UNKNOWN, message, fix)
