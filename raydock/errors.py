"""The base of every error of the project, and the kinds that several packages share.

RaydockError            a package's own kinds derive from it
├── UsageError          2   the command line, a setting or a file can't be understood; nothing was done
│   └── SettingsError       a setting, or the file that holds it
├── NotFound            3   what was asked about does not exist
├── PermissionDenied    3   the caller may not ask, or may not change
├── ServerError         4   the server answered with something that is not the answer
├── Unreachable         4   nothing answered: trying again may help
├── NotUp               4   there is no cluster to ask
├── NotReady            1   a deadline passed; the message holds the last status seen
├── CommandFailed       1   a command or a request ended with an error
└── Interrupted       130   Ctrl-C; the message says what is left
"""

from __future__ import annotations


class RaydockError(Exception):
    """`message` says in one sentence what failed, on what and why; `fix` is the command or the act that fixes it."""

    exit_code = 70

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message, fix)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return self.message


class UsageError(RaydockError):
    """The command line, a setting or a file can't be understood. Nothing was done."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting, or the file that holds it, can't be understood."""


class NotFound(RaydockError):
    """What was asked about does not exist."""

    exit_code = 3


class PermissionDenied(RaydockError):
    """The caller may not ask this, or may not change it."""

    exit_code = 3


class ServerError(RaydockError):
    """The server answered with something that is not the answer. `status` is its HTTP status, 0 where it has none."""

    exit_code = 4

    def __init__(self, message: str, fix: str = "", status: int = 0) -> None:
        super().__init__(message, fix)
        self.status = status


class Unreachable(RaydockError):
    """Nothing answered in time. Trying again may help."""

    exit_code = 4


class NotUp(RaydockError):
    """There is no cluster to ask."""

    exit_code = 4


class NotReady(RaydockError):
    """A deadline passed. The message holds the last status seen."""

    exit_code = 1


class CommandFailed(RaydockError):
    """A command that was run, or a request to Vertex AI, ended with an error."""

    exit_code = 1


class Interrupted(RaydockError):
    """Ctrl-C. The message says what is left."""

    exit_code = 130
