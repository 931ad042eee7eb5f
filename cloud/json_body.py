"""JSON request bodies, strictly parsed after a size check."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from typing import Any

from cloud.google_errors import ApiError

LONGEST = 1 << 20  # bytes
DEEPEST = 32  # levels of nesting


async def read_json(body: AsyncIterator[bytes], content_encoding: str = "") -> dict[str, Any]:
    """Read a JSON object; {} for an empty body. Raises ApiError: 413 over 1 MiB, 400 for anything else."""
    if content_encoding.lower() not in ("", "identity"):
        raise ApiError(400, "invalid", "The lab does not support compressed JSON bodies.")
    read = bytearray()
    async for piece in body:
        read += piece
        if len(read) > LONGEST:
            raise ApiError(413, "uploadTooLarge", f"The JSON body exceeds {LONGEST >> 20} MiB.")
    return parsed(bytes(read))


def parsed(body: bytes) -> dict[str, Any]:
    """Parse a JSON object; {} for an empty body. Raises ApiError (400) for anything else."""
    if not body.strip():
        return {}
    try:
        found = json.loads(body, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique)
        json.dumps(found, ensure_ascii=False).encode()  # fails on a lone surrogate
    except (ValueError, RecursionError):
        raise ApiError(400, "parseError", "Parse Error") from None
    if found is None or depth(found) > DEEPEST:
        raise ApiError(400, "parseError", "Parse Error")
    return dictionary(found)


def depth(value: Any) -> int:
    """The nesting depth of lists and objects, counted up to one more than allowed."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inside = [one for one in level if isinstance(one, (dict, list))]
        level = [child for one in inside for child in (one.values() if isinstance(one, dict) else one)]
        depth += bool(inside)
    return depth


def dictionary(value: Any) -> dict[str, Any]:
    """The value as a JSON object; {} for null. Raises ApiError (400) for any other type."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiError(400, "parseError", "Parse Error: expected a JSON object.")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject repeated keys, which parsers handle differently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is repeated")
    return found
