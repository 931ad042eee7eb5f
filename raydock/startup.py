"""Why a service did not start: one JSON line in its log, written by the service and read by whatever started it.

    {"startup_failure": 1, "service": "cloud", "message": "LAB_TOKEN_TTL is 'soon'.", "fix": "Set it to …"}

The number is the version of the format. A service that does not start writes this line last, so the last one in a log
describes the last failure, even if the service was restarted several times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from raydock import answers
from raydock.errors import CommandFailed

VERSION = 1
KEY = "startup_failure"


@dataclass(frozen=True, slots=True)
class StartupFailure:
    """Why one of the lab's services did not start, and the fix ("" if there is none)."""

    service: str
    message: str
    fix: str = ""

    @classmethod
    def of(cls, service: str, fault: BaseException) -> StartupFailure:
        """The failure that an error describes. An error without `message` is a bug, so its type is included."""
        own = getattr(fault, "message", "") or (str(fault) if isinstance(fault, OSError) else "")
        return cls(service, own or f"{type(fault).__name__}: {fault}", getattr(fault, "fix", ""))

    def line(self) -> str:
        """The line to log."""
        return json.dumps({KEY: VERSION, "service": self.service, "message": self.message, "fix": self.fix})

    def error(self) -> CommandFailed:
        """The error to raise in the command that started the service."""
        return CommandFailed(
            f"The lab's {self.service} did not start: {self.message}",
            self.fix or "Try again: make cluster-up",
        )


def last_failure(log: str) -> StartupFailure | None:
    """The last startup failure in a log, or None."""
    found = (failure(line) for line in reversed(log.splitlines()) if line.startswith("{"))
    return next((one for one in found if one), None)


def failure(line: str) -> StartupFailure | None:
    """The failure in one line of a log, or None for any other line."""
    try:
        fields: Mapping[str, object] = answers.mapping(answers.parsed(line.encode()))
    except ValueError:
        return None
    service, message, fix = (answers.text(fields.get(name)) for name in ("service", "message", "fix"))
    return (
        StartupFailure(service, message, fix) if fields.get(KEY) == VERSION and service and message else None
    )


def why(service: str, log: str) -> StartupFailure:
    """Why the service did not start, according to its log: the failure it logged, else the last line."""
    lines = [line for line in log.splitlines() if line.strip()]
    return last_failure(log) or StartupFailure(service, lines[-1].strip() if lines else "no output")
