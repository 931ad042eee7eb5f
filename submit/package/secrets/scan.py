"""Find secrets in the files and values that would be sent: private keys, service account keys, cloud keys, tokens.

Scans the bytes of every file as plain text; does not look inside archives or other encodings. The kinds of secrets
are in kinds.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from ..contents import Contents
from ..reader import CHUNK, FileReader
from .kinds import KINDS, Kind
from .placeholders import is_documented

_OVERLAP = 4096  # bytes scanned again with the next chunk, so that no secret is lost at the boundary


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in a file: its line, counted from 1, and its kind; never its value."""

    name: str
    line: int
    kind: str


def find_secrets(contents: Contents) -> list[Secret]:
    """The secrets in the files, sorted by name and line. Raises ContentsChanged or Unreadable."""
    found: set[Secret] = set()
    with FileReader(contents) as reader:
        for entry in contents.entries:
            line, before = 1, b""
            for data in reader.chunks(entry):
                text = before + data
                for at, kind in _matches(text, in_file=True):
                    found.add(Secret(entry.name, line + text.count(b"\n", 0, at), kind))
                before = text[-_OVERLAP:] if len(data) == CHUNK else b""
                line += text.count(b"\n", 0, len(text) - len(before))
    return sorted(found, key=lambda one: (one.name, one.line, one.kind))


def find_secrets_in_text(text: str) -> list[str]:
    """The kinds of secrets in an argument or environment variable, each once."""
    return sorted({kind for _, kind in _matches(text.encode("utf-8", "surrogateescape"))})


def _matches(text: bytes, in_file: bool = False) -> Iterator[tuple[int, str]]:
    anchors, kinds = _compiled()
    at = 0
    while found := anchors.search(text, at):
        at = found.start() + 1  # another anchor may start inside this one
        for one, pattern in kinds[found[0]]:
            for start in range(max(0, found.start() - one.lead), found.start() + 1):
                match = pattern.match(text, start)
                if match and one.real(match):
                    if not (in_file and one.host and is_documented(match[one.host])):
                        yield start, one.name
                    break


@cache
def _compiled() -> tuple[re.Pattern[bytes], dict[bytes, list[tuple[Kind, re.Pattern[bytes]]]]]:
    """All anchors as one expression, and the kinds to match at each anchor."""
    kinds: dict[bytes, list[tuple[Kind, re.Pattern[bytes]]]] = {}
    for one in KINDS:
        pattern = re.compile(one.pattern.encode())
        for anchor in one.anchors:
            kinds.setdefault(anchor.encode(), []).append((one, pattern))
    return re.compile(_any_of(kinds)), kinds


def _any_of(texts: Iterable[bytes]) -> bytes:
    """An expression that matches the longest of the texts. A trie, which `re` matches far faster than alternatives."""
    below: dict[bytes, list[bytes]] = {}
    for text in texts:
        below.setdefault(text[:1], []).append(text[1:])
    ends = below.pop(b"", None)
    tried = [re.escape(first) + _any_of(rest) for first, rest in sorted(below.items())]
    if not tried:
        return b""
    return b"(?:" + b"|".join(tried) + b")" + (b"?" if ends else b"") if ends or len(tried) > 1 else tried[0]
