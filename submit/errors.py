"""What can go wrong beside the shared kinds of `raydock.errors`, and the exit code that says so.

    RaydockError
    ├── PreflightError     3    a check found something that would make the job fail, or couldn't tell
    │   └── PackageError   3    what should travel can't: submit/package/errors.py has its kinds
    └── Unreachable        4
        └── Lost           4    the job was sent and the target no longer tells of it

1 says that the job FAILED and belongs to no error. A verdict that the cluster has confirmed outranks all of these.
"""

from __future__ import annotations

from raydock.errors import RaydockError, Unreachable


class PreflightError(RaydockError):
    """A check did not pass. Nothing was sent."""

    exit_code = 3


class Lost(Unreachable):
    """The job was sent, and the target no longer tells of it: its end is not known."""
