"""Splits lists into pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from cloud.controlplane import errors
from cloud.controlplane.errors import RpcError

T = TypeVar("T")
PAGE, LARGEST_PAGE = 50, 100  # default and maximum entries per page


def page(entries: Sequence[T], body: Mapping[str, Any]) -> tuple[list[T], str]:
    """One page's entries and the next page's token. Raises RpcError for an invalid token or any filter."""
    if body.get("filter"):
        raise RpcError("UNIMPLEMENTED", "The lab does not support filters.")
    size = int(body.get("page_size") or PAGE)
    if size < 0:
        raise errors.invalid([("page_size", f"{size} is negative.")])
    start = position(body.get("page_token") or "")
    end = start + min(size, LARGEST_PAGE)
    token = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(entries) else ""
    return list(entries[start:end]), token


def position(token: str) -> int:
    """The position that a page token encodes. Raises RpcError if the token is invalid."""
    try:
        text = base64.urlsafe_b64decode(token).decode() if token else "0"
    except (ValueError, binascii.Error):
        text = ""
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise errors.invalid([("page_token", "The page token is invalid.")])
    return int(text)
