"""The base class of all errors in this project, and the kinds that several packages share, with their exit codes.

RaydockError            packages derive their own kinds from it
├── UsageError          2   invalid command line, setting or file; nothing was done
│   └── SettingsError       invalid setting, or invalid file that contains it
├── NotFound            3   the requested object does not exist
├── PermissionDenied    3   the caller may not read or change it
├── Unavailable         4   the cluster returned no usable answer
│   ├── ServerError         the server returned an error or an unexpected response
│   ├── Unreachable         nothing answered: a retry may help
│   └── NotUp               there is no cluster to query
├── NotReady            1   a deadline passed; the message contains the last status seen
├── CommandFailed       1   a command or a request failed
└── Interrupted       130   Ctrl-C; the message lists what remains
"""

from __future__ import annotations


class RaydockError(Exception):
    """`message` is one sentence: what failed, on what and why. `fix` is the command or action that fixes it."""

    exit_code = 70

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message, fix)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return self.message


class UsageError(RaydockError):
    """The command line, a setting or a file is invalid. Nothing was done."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting, or the file that contains it, is invalid."""


class NotFound(RaydockError):
    """The requested object does not exist."""

    exit_code = 3


class PermissionDenied(RaydockError):
    """The caller may not read or change this."""

    exit_code = 3


class Unavailable(RaydockError):
    """The cluster, or another server, returned no usable answer."""

    exit_code = 4


class ServerError(Unavailable):
    """The server returned an error or an unexpected response. `status` is the HTTP status, 0 if there is none."""

    def __init__(self, message: str, fix: str = "", status: int = 0) -> None:
        super().__init__(message, fix)
        self.status = status


class Unreachable(Unavailable):
    """Nothing answered in time. A retry may help."""


class NotUp(Unavailable):
    """There is no cluster to query."""


class NotReady(RaydockError):
    """A deadline passed. The message contains the last status seen."""

    exit_code = 1


class CommandFailed(RaydockError):
    """A command, or a request to Vertex AI, failed."""

    exit_code = 1


class Interrupted(RaydockError):
    """Ctrl-C. The message lists what remains."""

    exit_code = 130
