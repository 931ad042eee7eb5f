"""Why a service did not start: what it logs, and what is read from its log."""

from __future__ import annotations

import pytest

from iam.errors import IamError
from raydock.startup import StartupFailure, last_failure, why

TTL = StartupFailure("cloud", "LAB_TOKEN_TTL is '0'.", "Set it to 60")


@pytest.mark.parametrize(
    ("log", "found"),
    [
        (f"12:00 starting\n{TTL.line()}\n", TTL),
        (f"{TTL.line()}\n{StartupFailure('cloud', 'newer').line()}\n", StartupFailure("cloud", "newer")),
        (f"{TTL.line()}\nException ignored in: <socket>\n", TTL),
        ("Traceback\nValueError: x\n\n", StartupFailure("cloud", "ValueError: x")),
        ('{"startup_failure": 2, "service": "cloud", "message": "x"}', None),  # a later version's
        ('{"startup_failure": 1, "service": 7}\n{"startup_failure": 1\n{not json', None),
        ("", StartupFailure("cloud", "no output")),
    ],
)
def test_the_last_failure_in_a_log_is_why_it_did_not_start(log: str, found: StartupFailure | None) -> None:
    assert why("cloud", log) == (found or StartupFailure("cloud", log.splitlines()[-1]))
    assert last_failure(log) == (found if "startup_failure" in log else None)


@pytest.mark.parametrize(
    ("fault", "message", "fix"),
    [
        (
            IamError("lab.yaml is invalid: é\n line 3.", "Fix lab.yaml"),
            "lab.yaml is invalid: é\n line 3.",
            "Fix lab.yaml",
        ),
        (
            OSError(98, "Address already in use"),
            "[Errno 98] Address already in use",
            "Try again: make cluster-up",
        ),
        (KeyError("x"), "KeyError: 'x'", "Try again: make cluster-up"),
    ],
)
def test_an_error_crosses_the_log_unchanged(fault: Exception, message: str, fix: str) -> None:
    line = StartupFailure.of("cloud", fault).line()
    assert "\n" not in line
    error = why("cloud", line).error()
    assert (error.message, error.fix) == (f"The lab's cloud did not start: {message}", fix)
