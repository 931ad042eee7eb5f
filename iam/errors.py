"""Errors about identities and their permissions.

    IamError
    ├── MalformedPolicy       a policy document is malformed
    ├── MalformedPrincipal    a member string is in none of Google's forms
    ├── MalformedResource     Google would reject the gs:// URI or the name
    ├── MalformedRoles        the role file is malformed
    ├── UnknownRole           neither the role file nor the caller defines the role
    ├── BadCondition          a condition can't be parsed (internal: the verdict is then UNKNOWN)
    ├── FileFailed            a file on this machine can't be read or written
    └── Conflict              the policy changed since it was read (etag)

NotFound, PermissionDenied and Unreachable come from raydock.errors.
"""

from __future__ import annotations

from raydock.errors import RaydockError


class IamError(RaydockError):
    """The base class: `message` says what failed, `fix` how to fix it."""


class MalformedPolicy(IamError):
    """A policy document is malformed; the message contains the location in it."""


class MalformedPrincipal(IamError):
    """A member string is in none of Google's forms."""


class MalformedResource(IamError):
    """Google would reject the gs:// URI, bucket name or object name."""


class MalformedRoles(IamError):
    """The role file is malformed."""


class UnknownRole(IamError):
    """Neither the role file nor the caller defines the role."""


class BadCondition(IamError):
    """A condition can't be parsed. Internal: `condition.evaluate` returns UNKNOWN instead."""


class FileFailed(IamError):
    """A file or folder on this machine can't be read or written."""


class Conflict(IamError):
    """The policy changed since it was read. Read it again and repeat the change."""
