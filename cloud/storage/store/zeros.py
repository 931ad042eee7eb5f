"""Placeholders: sparse files that have a size but take no space, and read as zero bytes."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from cloud.storage.store.content import Content

CASTAGNOLI = 0x82F63B78  # CRC32C's polynomial, reflected: https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4
ONES = 0xFFFFFFFF
Matrix = tuple[int, ...]  # a linear map of 32 bits: the image of each bit


def placeholder(path: Path, size: int) -> Content:
    """Create a sparse file of `size` zero bytes. Like a composed object, it has no MD5."""
    with path.open("wb") as file:
        file.truncate(size)
    return Content(path.name, size, base64.b64encode(crc32c(size).to_bytes(4, "big")).decode())


def crc32c(size: int) -> int:
    """The CRC32C of `size` zero bytes, in time proportional to the logarithm of the size."""
    register, power = ONES, 0
    while size >> power:
        if size >> power & 1:
            register = apply(after_zeros(power), register)
        power += 1
    return register ^ ONES


@cache
def after_zeros(power: int) -> Matrix:
    """How 2**power zero bytes change the CRC's register."""
    if power:
        half = after_zeros(power - 1)
        return tuple(apply(half, image) for image in half)
    return tuple(after_byte(1 << bit) for bit in range(32))


def after_byte(register: int) -> int:
    """The register after one zero byte."""
    for _ in range(8):
        register = register >> 1 ^ (CASTAGNOLI if register & 1 else 0)
    return register


def apply(matrix: Matrix, register: int) -> int:
    """Multiply a matrix by a register, over the field of two elements."""
    found = 0
    for bit, image in enumerate(matrix):
        if register >> bit & 1:
            found ^= image
    return found
