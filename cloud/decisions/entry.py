"""One entry of the record: equal decisions within a second, counted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple


class Key(NamedTuple):
    """What makes decisions equal. `resource` is Google's full resource name, of a list its bucket's.

    prefix: what a list was limited to; None if it is not a list
    """

    principal: str
    permission: str
    resource: str
    prefix: str | None
    granted: bool
    source: str
    client: str


@dataclass(slots=True)
class Tally:
    """How often, when (Unix times), and how many bytes of content were read or written."""

    first: float
    last: float
    count: int = 0
    bytes: int = 0

    def add(self, other: Tally) -> None:
        """Include another entry with the same key."""
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.count += other.count
        self.bytes += other.bytes


def to_line(key: Key, tally: Tally) -> bytes:
    """An entry as one line of JSON."""
    values = [*key, round(tally.first, 3), round(tally.last, 3), tally.count, tally.bytes]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def of_line(line: bytes) -> tuple[Key, Tally]:
    """The entry in a line. Raises ValueError for anything else."""
    values = json.loads(line)
    if not isinstance(values, list) or len(values) != len(Key._fields) + 4:
        raise ValueError("not an entry")
    first, last, count, size = values[-4:]
    return Key(*values[:-4]), Tally(float(first), float(last), int(count), int(size))


def as_json(key: Key, tally: Tally) -> dict[str, Any]:
    """An entry in the lab API's format."""
    return {
        **key._asdict(),
        "first": tally.first,
        "last": tally.last,
        "count": tally.count,
        "bytes": tally.bytes,
    }
