"""What can go wrong, and the exit code that says so.

    SubmitError            70   not one of the following: a bug of ours, as any exception that is not a SubmitError
    ├── UsageError         2    the command line, a setting or the job script can't be understood
    ├── PreflightError     3    a check found something that would make the job fail, or couldn't tell
    │   └── PackageError   3    what should travel can't: submit/package/errors.py has its kinds
    ├── ServerError        4    the server answered, with something that is not an answer
    └── Unreachable        4    nothing answered: the one class where trying again may help
        └── Lost           4    the job was sent and the target no longer tells of it

1 is none of ours: it says that the job FAILED. The verdict that the cluster has confirmed outranks all of these.
Every error says what failed, on what and why in one sentence (`message`), and the command or the act that
mends it (`fix`). Nothing here prints or exits: `cli.py` does.
"""

from __future__ import annotations

from raydock.errors import RaydockError


class SubmitError(RaydockError):
    """The base: `message` is one sentence, `fix` is what to do about it."""

    exit_code = 70


class UsageError(SubmitError):
    """The command line, a setting or the job script can't be understood. Nothing was sent."""

    exit_code = 2


class PreflightError(SubmitError):
    """A check did not pass. Nothing was sent."""

    exit_code = 3


class ServerError(SubmitError):
    """The server answered with something that is not the answer."""

    exit_code = 4

    def __init__(self, message: str, fix: str = "", status: int = 0) -> None:
        super().__init__(message, fix)
        self.status = status


class Unreachable(SubmitError):
    """Nothing answered in time. Trying again may help."""

    exit_code = 4


class Lost(Unreachable):
    """The job was sent, and the target no longer tells of it: its end is not known."""
