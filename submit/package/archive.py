"""The name and the bytes of a package.

The name is a hash of everything in the package: file names, executable bits and bytes. The zip records no timestamps or
owners and lists files in a fixed order, so equal contents yield equal bytes (with the same zlib). Ray 2.47.1 does not
restore executable bits when it unpacks; the zip keeps them for tools that do.
"""

from __future__ import annotations

import hashlib
import io
import stat
from typing import TYPE_CHECKING

from .contents import SMALLER, Contents, Entry, largest, mib
from .errors import ContentsChanged, TooLarge
from .limits import CAP
from .reader import AGAIN, FileReader

if TYPE_CHECKING:
    import zipfile

_LEVEL = 1  # deflate: 48 MB became 17 MB in 0.45 s; higher levels gain little and cost much (ray-facts 10)
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold


def digest(contents: Contents) -> str:
    """The content hash, 64 hex digits. Raises ContentsChanged or Unreadable."""
    total = _start(contents)
    with FileReader(contents) as reader:
        for entry in contents.entries:
            total.update(_header(entry))
            for data in reader.chunks(entry):
                total.update(data)
    return total.hexdigest()


def package_uri(digest: str) -> str:
    """The URI under which Ray stores the package: the first 128 bits of the hash."""
    return f"gcs://_ray_pkg_{digest[:32]}.zip"


def pack(contents: Contents, expect: str, cap: int = CAP) -> bytes:
    """The zip of `contents`.

    expect: the digest that the contents must have.
    cap: the zip's maximum size in bytes.
    Raises ContentsChanged, Unreadable, or TooLarge as soon as the cap is exceeded.
    """
    import zipfile

    total, packed = _start(contents), io.BytesIO()
    with FileReader(contents) as reader, zipfile.ZipFile(packed, "w", compresslevel=_LEVEL) as archive:
        for entry in contents.entries:
            total.update(_header(entry))
            with archive.open(_info(entry), "w") as member:
                for data in reader.chunks(entry):
                    total.update(data)
                    member.write(data)
                    _check_cap(contents, packed, cap)
    _check_cap(contents, packed, cap)
    if total.hexdigest() != expect:
        raise ContentsChanged(
            "The files changed between hashing and packing.",
            AGAIN,
        )
    return packed.getvalue()


def _info(entry: Entry) -> zipfile.ZipInfo:
    import zipfile

    info = zipfile.ZipInfo(entry.name, _FIXED_TIME)
    info.create_system = 3  # Unix: external_attr holds a mode
    info.external_attr = (stat.S_IFREG | entry.mode) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    info.file_size = entry.size
    return info


def _start(contents: Contents) -> hashlib._Hash:
    return hashlib.sha256(b"raydock package 1\n" + len(contents.entries).to_bytes(8, "big"))


def _header(entry: Entry) -> bytes:
    """What precedes a file's bytes in the hash: all lengths, so that different contents never hash the same bytes."""
    name = entry.name.encode()
    return b"%d %o %d\n" % (len(name), entry.mode, entry.size) + name


def _check_cap(contents: Contents, packed: io.BytesIO, cap: int) -> None:
    if packed.tell() > cap:
        raise TooLarge(
            f"The package for {contents.root} exceeds {mib(cap)} compressed; "
            f"its largest files: {largest(contents.entries)}.",
            SMALLER,
        )
