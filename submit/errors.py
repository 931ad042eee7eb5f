"""The submitter's errors, in addition to the shared kinds in `raydock.errors`, with their exit codes.

    RaydockError
    ├── PreflightError     3    a check found a problem that would make the job fail, or could not decide
    │   └── PackageError   3    the package can't be built; submit/package/errors.py defines the kinds
    └── Unreachable        4
        └── Lost           4    the job was submitted, but the target no longer reports it

Exit code 1 means that the job FAILED; no error uses it. Once the cluster has confirmed a job's final status, that
status takes precedence over all of these.
"""

from __future__ import annotations

from raydock.errors import RaydockError, Unreachable


class PreflightError(RaydockError):
    """A check did not pass. Nothing was sent."""

    exit_code = 3


class Lost(Unreachable):
    """The job was submitted, but the target no longer reports it, so its outcome is unknown."""
