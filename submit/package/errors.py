"""Errors raised while a package is built.

PackageError
├── PermanentError           this package cannot be sent unless something changes
│   ├── NoSuchTree           no such directory, or not a directory
│   ├── RefusedTree          "/", the home directory, a credentials directory, a virtual environment
│   ├── EmptyPackage         no files to send
│   ├── TooLarge             too many bytes, unpacked or compressed
│   ├── TooManyFiles         too many files to send, or to scan
│   ├── TooDeep              directories nested too deeply
│   ├── BadName              a name that a zip cannot hold, or that refers to two files
│   ├── BadIgnoreFile        an ignore file whose rules cannot be read
│   ├── Unreadable           a file or directory that cannot be read
│   ├── NoSuchScript         no such script
│   ├── BrokenModule         the script, or a module it imports, is not valid Python
│   ├── EscapingFile         a file in the header is outside the script's directory
│   ├── UnmatchedFile        a file or pattern in the header matches nothing
│   └── ForbiddenFile        a file in the header is one that is never packaged
└── ContentsChanged          a file changed while it was being read: try again
"""

from __future__ import annotations

from ..errors import PreflightError


class PackageError(PreflightError):
    """No package was built, and nothing was sent."""


class PermanentError(PackageError):
    """The same call fails again until the job's files or header change."""


class NoSuchTree(PermanentError):
    """The directory to send does not exist or is not a directory."""


class RefusedTree(PermanentError):
    """A directory that is never sent as a whole."""


class EmptyPackage(PermanentError):
    """There are no files to send."""


class TooLarge(PermanentError):
    """More bytes than a package may have, unpacked or compressed."""


class TooManyFiles(PermanentError):
    """More files than a package may have, or more names than are scanned."""


class TooDeep(PermanentError):
    """Directories nested too deeply."""


class BadName(PermanentError):
    """A name that a zip cannot hold or that unpacks to something else."""


class BadIgnoreFile(PermanentError):
    """An ignore file whose rules cannot be read: a symlink, not a regular file, or far too large."""


class Unreadable(PermanentError):
    """A file or directory that cannot be read."""


class NoSuchScript(PermanentError):
    """The script does not exist or is not a regular file."""


class BrokenModule(PermanentError):
    """The script, or a module it imports, cannot be parsed."""


class EscapingFile(PermanentError):
    """A file in the header is outside the script's directory."""


class UnmatchedFile(PermanentError):
    """A file or pattern in the header matches nothing."""


class ForbiddenFile(PermanentError):
    """The header lists a file that is never packaged."""


class ContentsChanged(PackageError):
    """A file changed while it was being read; the same call may succeed."""
