"""What can go wrong while a package is made.

PackageError
├── FixFirst                 this package can never be sent as it is
│   ├── NoSuchTree           no such directory, or not a directory
│   ├── RefusedTree          "/", the home directory, a credentials directory, a virtual environment
│   ├── EmptyPackage         nothing is left to send
│   ├── TooLarge             too many bytes, unpacked or compressed
│   ├── TooManyFiles         too many files to send, or to look at
│   ├── TooDeep              directories nested too deeply
│   ├── BadName              a name that a zip cannot hold, or that stands for two files
│   ├── BadIgnoreFile        an ignore file that cannot be honoured
│   ├── Unreadable           a file or directory that cannot be read
│   ├── NoSuchScript         no such script
│   ├── BrokenModule         the script, or a module it imports, is not Python
│   ├── EscapingFile         a file of the header lies outside the script's directory
│   ├── UnmatchedFile        a file or pattern of the header matches nothing
│   └── ForbiddenFile        a file of the header is one that never travels
└── ContentsChanged          a file changed while it was read: try again
"""

from __future__ import annotations

from ..errors import PreflightError


class PackageError(PreflightError):
    """Why no package was made; nothing has been sent."""


class PermanentError(PackageError):
    """The same call fails again until something is changed."""


class NoSuchTree(PermanentError):
    """The directory to send does not exist or is not a directory."""


class RefusedTree(PermanentError):
    """A directory that is never sent as a whole."""


class EmptyPackage(PermanentError):
    """No file is left to send."""


class TooLarge(PermanentError):
    """More bytes than a package may have, unpacked or compressed."""


class TooManyFiles(PermanentError):
    """More files than a package may have, or more names than are looked at."""


class TooDeep(PermanentError):
    """Directories nested too deeply."""


class BadName(PermanentError):
    """A name that a zip cannot hold or that unpacks to something else."""


class BadIgnoreFile(PermanentError):
    """An ignore file that cannot be honoured: a link, not a regular file, or far too large."""


class Unreadable(PermanentError):
    """A file or directory that cannot be read."""


class NoSuchScript(PermanentError):
    """The script does not exist or is not a regular file."""


class BrokenModule(PermanentError):
    """The script, or a module it imports, cannot be parsed."""


class EscapingFile(PermanentError):
    """A file of the header lies outside the script's directory."""


class UnmatchedFile(PermanentError):
    """A file or pattern of the header matches nothing."""


class ForbiddenFile(PermanentError):
    """A file that the header names is one that never travels."""


class ContentsChanged(PackageError):
    """A file changed while it was read; the same call may succeed."""
