"""JSON bodies of requests: strict, and bounded before they are parsed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from cloud.answers import Refusal

LONGEST = 1 << 20  # bytes


async def read_json(body: AsyncIterator[bytes], content_encoding: str = "") -> dict[str, Any]:
    """The body as a JSON object, {} for an empty one. Refusal: 400 for anything else, 413 over 1 MiB."""
    if content_encoding.lower() not in ("", "identity"):
        raise Refusal(400, "invalid", "The lab does not support a compressed JSON body.")
    read = bytearray()
    async for piece in body:
        read += piece
        if len(read) > LONGEST:
            raise Refusal(413, "uploadTooLarge", f"The request's JSON is over {LONGEST >> 20} MiB.")
    return parsed(bytes(read))


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object; {} for an empty body. Refusal (400) otherwise."""
    if not body.strip():
        return {}
    try:
        found = json.loads(body, parse_constant=_refuse, object_pairs_hook=_unique)
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate is not text
    except (ValueError, RecursionError):
        raise Refusal(400, "parseError", "Parse Error") from None
    if found is None:
        raise Refusal(400, "parseError", "Parse Error")
    return dictionary(found)


def dictionary(value: Any) -> dict[str, Any]:
    """A JSON object; {} for null. Refusal (400) for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(400, "parseError", "Parse Error: a JSON object was expected.")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two parsers may read a repeated key differently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found
