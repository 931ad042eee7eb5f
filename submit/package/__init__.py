"""Packaging: find the files that a job needs, check them, name the package by its contents, and zip it.

    contents = script_contents(script, files)      # or tree_contents(directory)
    name = digest(contents)                        # same contents, same name: nothing to upload
    data = pack(contents, name)                    # the zip, for package_uri(name)

Every failure is a PackageError with `message`, `fix` and `exit_code`.
"""

from .archive import digest, pack, package_uri
from .contents import Contents, Entry, Excluded, LostMode, MissingImport
from .decode import NotText, decoded
from .errors import ContentsChanged, PackageError, PermanentError
from .limits import CAP, LIMITS, Limits
from .script import script_contents
from .secrets.scan import Secret, find_secrets, find_secrets_in_text
from .sources import imports_elsewhere, sources
from .tree import tree_contents

__all__ = [
    "CAP",
    "LIMITS",
    "Contents",
    "ContentsChanged",
    "Entry",
    "Excluded",
    "Limits",
    "LostMode",
    "MissingImport",
    "NotText",
    "PackageError",
    "PermanentError",
    "Secret",
    "decoded",
    "digest",
    "find_secrets",
    "find_secrets_in_text",
    "imports_elsewhere",
    "pack",
    "package_uri",
    "script_contents",
    "sources",
    "tree_contents",
]  # fmt: skip
