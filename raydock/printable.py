"""Text from elsewhere, made fit for a line of our own: nothing in it moves the cursor or fakes a second line."""

from __future__ import annotations

import re

# C0, DEL and C1; soft hyphen, marks and overrides of direction, zero-width characters, line and paragraph separators,
# tags; and lone surrogates, which no stream takes. Joiners and marks of direction are lost to honest text, too: a
# name that can't be read is better than one that reads as another.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    r"""The text with everything unsafe written out, as Python does: `\x1b`, `\u202e`, `\n`."""
    return UNSAFE.sub(lambda found: SHORT.get(found[0]) or escape(found[0]), text)


def json_printable(text: str) -> str:
    """JSON with everything unsafe inside its strings written as `\\uXXXX`; its own line ends stay."""
    return UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else json_escape(found[0]), text)


def escape(char: str) -> str:
    """A character as Python's repr writes one that can't be printed."""
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_escape(char: str) -> str:
    """A character as JSON writes it in ASCII."""
    import json

    return json.dumps(char)[1:-1] if ord(char) != 0x7F else "\\u007f"
