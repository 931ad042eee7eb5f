"""JSON bodies of requests: strict, and bounded before they are parsed."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from typing import Any

from cloud.google_errors import ApiError

LONGEST = 1 << 20  # bytes
DEEPEST = 32


async def read_json(body: AsyncIterator[bytes], content_encoding: str = "") -> dict[str, Any]:
    """The body as a JSON object, {} for an empty one. Refusal: 400 for anything else, 413 over 1 MiB."""
    if content_encoding.lower() not in ("", "identity"):
        raise ApiError(400, "invalid", "The lab does not support a compressed JSON body.")
    read = bytearray()
    async for piece in body:
        read += piece
        if len(read) > LONGEST:
            raise ApiError(413, "uploadTooLarge", f"The request's JSON is over {LONGEST >> 20} MiB.")
    return parsed(bytes(read))


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object; {} for an empty body. Refusal (400) otherwise."""
    if not body.strip():
        return {}
    try:
        found = json.loads(body, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique)
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate is not text
    except (ValueError, RecursionError):
        raise ApiError(400, "parseError", "Parse Error") from None
    if found is None or depth(found) > DEEPEST:
        raise ApiError(400, "parseError", "Parse Error")
    return dictionary(found)


def depth(value: Any) -> int:
    """Of lists and objects in each other; no deeper than one over what is allowed."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inside = [one for one in level if isinstance(one, (dict, list))]
        level = [child for one in inside for child in (one.values() if isinstance(one, dict) else one)]
        depth += bool(inside)
    return depth


def dictionary(value: Any) -> dict[str, Any]:
    """A JSON object; {} for null. Refusal (400) for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiError(400, "parseError", "Parse Error: a JSON object was expected.")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two parsers may read a repeated key differently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found
