"""What can go wrong about identities and their permissions.

    IamError
    ├── MalformedPolicy       a policy document can't be understood
    ├── MalformedPrincipal    a member string is none of Google's forms
    ├── MalformedResource     a gs:// URI or a name is none that Google accepts
    ├── MalformedRoles        the file of roles can't be understood
    ├── UnknownRole           a role that neither the file of roles nor the caller knows
    ├── BadCondition          a condition can't be understood (internal: the verdict is then UNKNOWN)
    ├── NotFound              what was asked about does not exist
    ├── Refused               the caller may not ask, or may not change
    ├── Conflict              the policy changed since it was read (etag)
    └── Unreachable           nothing answered: the one class where trying again may help

Every error says what failed, on what and why in one sentence (`message`), and what mends it (`fix`).
"""

from __future__ import annotations

from raydock.errors import RaydockError


class IamError(RaydockError):
    """The base: `message` is one sentence, `fix` is what to do about it."""


class MalformedPolicy(IamError):
    """A policy document can't be understood; the message names the place in it."""


class MalformedPrincipal(IamError):
    """A member string is none of Google's forms."""


class MalformedResource(IamError):
    """A gs:// URI, a bucket name or an object name is none that Google accepts."""


class MalformedRoles(IamError):
    """The file of roles can't be understood."""


class UnknownRole(IamError):
    """A role that neither the file of roles nor the caller knows."""


class BadCondition(IamError):
    """A condition can't be understood. Internal: `condition.evaluate` answers UNKNOWN instead."""


class Conflict(IamError):
    """The policy changed since it was read: read it again and repeat the change."""
