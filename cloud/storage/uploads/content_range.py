"""The Content-Range header of a resumable upload's requests."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloud.storage.request import invalid

CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)")


@dataclass(frozen=True, slots=True)
class Part:
    """A Content-Range. `end` is exclusive, or None for the end of the body. `total` is None if not yet known.

    If `start` is None, the request contains no content and queries the number of bytes received.
    """

    start: int | None = 0
    end: int | None = None
    total: int | None = None
    open: bool = False  # more content follows


def content_range(text: str) -> Part:
    """Parse a Content-Range; without one, the body is the rest of the content. Raises ApiError (400)."""
    if not text:
        return Part()
    found = CONTENT_RANGE.fullmatch(text)
    if found is None:
        raise invalid("Content-Range", text)
    total = None if found[3] == "*" else int(found[3])
    if found[1] is None:
        return Part(None, None, total, open=total is None)
    start, end = int(found[1]), int(found[2]) + 1
    if end <= start or (total is not None and end > total):
        raise invalid("Content-Range", text)
    return Part(start, end, total, open=total is None or end < total)
