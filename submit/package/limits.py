"""Limits on the size of a package: each number with its unit and its reason."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep packaging fast and every package small enough to unpack."""

    files: int = 20_000  # files sent: every node unpacks all of them before the job starts
    scanned: int = 200_000  # names listed: a tree this wide is a data set or a home directory
    unpacked: int = 512 * MIB  # bytes: what each node writes to its disk for each job
    depth: int = 64  # nested directories: below Python's recursion limit and the limit on open files
    name: int = 3_800  # bytes of a path: Linux allows 4,096, and Ray's own prefix takes up to about 200
    ignore_file: int = MIB  # bytes: ignore files are written by hand
    module: int = 8 * MIB  # bytes of Python source that is scanned for imports


LIMITS = Limits()
CAP = 100 * MIB  # bytes of the zip: Ray 2.47.1's dashboard rejects a larger upload with an opaque 500
