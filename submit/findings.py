"""The result of a check: OK, DENIED or UNKNOWN. UNKNOWN never counts as OK."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# The names that `--skip-check=NAMES` accepts. Every finding uses one of these names, or one of NOTES.
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
NOTES = ("left out",)  # printed with the checks; never fails


class Outcome(Enum):
    """The three outcomes of a check."""

    OK = "OK"
    DENIED = "DENIED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of one check. `fix` describes how to resolve it; it is empty if the verdict is OK."""

    check: str
    verdict: Outcome
    message: str
    fix: str = ""


def ok(check: str, message: str) -> Finding:
    """A finding for a check that passed."""
    return Finding(check, Outcome.OK, message)


def denied(check: str, message: str, fix: str) -> Finding:
    """A finding for a problem that would make the job fail."""
    return Finding(check, Outcome.DENIED, message, fix)


def unknown(check: str, message: str, fix: str) -> Finding:
    """A finding for a check that could not decide whether the job would fail."""
    return Finding(check, Outcome.UNKNOWN, message, fix)
