"""What a check found: OK, DENIED or UNKNOWN. UNKNOWN is never OK."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """The three answers of a check."""

    OK = "OK"
    DENIED = "DENIED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of one check; whatever is not OK ends with what mends it."""

    check: str
    verdict: Verdict
    message: str
    mend: str = ""


def ok(check: str, message: str) -> Finding:
    """The check passed."""
    return Finding(check, Verdict.OK, message)


def denied(check: str, message: str, mend: str) -> Finding:
    """The job would fail of this."""
    return Finding(check, Verdict.DENIED, message, mend)


def unknown(check: str, message: str, mend: str) -> Finding:
    """It can't be told whether the job would fail of this."""
    return Finding(check, Verdict.UNKNOWN, message, mend)
