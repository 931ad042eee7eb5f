"""How large a package may be: each number with its unit and its reason."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds that keep packaging finite and a package unpackable."""

    files: int = 20_000  # files sent: every worker unpacks all of them before the job starts
    looked_at: int = 200_000  # names seen: a tree this wide is a data set or a home directory
    unpacked: int = 512 * MIB  # bytes: what each node writes to its disk for each job
    depth: int = 64  # nested directories: below Python's recursion limit and the open-files limit
    name: int = 3_800  # bytes of a path: Linux holds 4,096, and Ray's own prefix takes up to about 200
    ignore_file: int = MIB  # bytes: an ignore file is written by a person
    module: int = 8 * MIB  # bytes of Python source that is searched for imports


LIMITS = Limits()
CAP = 100 * MIB  # bytes of a packed zip: Ray 2.47.1's dashboard refuses a larger upload with an opaque 500
