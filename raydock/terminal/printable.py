"""Escape untrusted text for display on one line, so that it can't move the cursor or fake a second line."""

from __future__ import annotations

import re

# C0, DEL and C1; soft hyphen, direction marks and overrides, zero-width characters, line and paragraph separators,
# tags; and lone surrogates, which can't be encoded. Joiners and direction marks are also escaped in legitimate text: an
# unreadable name is better than one that looks like another.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    r"""The text with all unsafe characters escaped as in Python: `\x1b`, `\u202e`, `\n`."""
    return UNSAFE.sub(lambda found: SHORT.get(found[0]) or escape(found[0]), text)


def json_printable(text: str) -> str:
    r"""JSON with all unsafe characters in its strings escaped as `\uXXXX`; its line breaks are kept."""
    return UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else json_escape(found[0]), text)


def escape(char: str) -> str:
    """A character as Python's repr escapes it."""
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_escape(char: str) -> str:
    """A character as ASCII JSON escapes it."""
    import json

    return json.dumps(char)[1:-1] if ord(char) != 0x7F else "\\u007f"
