"""Split a log into lines as a terminal shows them, and find its RESULT lines.

A line ends at a newline, and wherever the cursor returns to its start: at a carriage return, or at an escape sequence
that moves the cursor there or erases the line. This finds a RESULT after a progress bar that erased itself. Colours
and all other escape sequences are invisible, a backspace removes the character before it, and blanks may precede the
marker. A marker in the middle of a visible line, as in "my RESULT {}", does not count.

Logs are processed in chunks, in time proportional to their length and in memory bounded by `MAX_RESULT_BYTES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MARKER = b"RESULT "
MAX_RESULT_BYTES = 16 * 2**20 + len(MARKER)  # the longest RESULT line
HEAD_BYTES = 64  # kept from any other line: some blanks and the marker
MAX_ESCAPE_BYTES = 2048  # the longest incomplete escape sequence that is held back

ENDS = re.compile(rb"[\n\r\v\f]")
# ECMA-48: colours, erasing and the cursor; titles and links; ESC and a letter. The bounds keep searches linear.
ESCAPE = re.compile(
    rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|[\]PX^_][^\x07\x1b\r\n]{0,2000}(?:\x07|\x1b\\)|[ -/]{0,8}[0-OQ-WYZ\\`-~])"
)
INCOMPLETE_ESCAPE = re.compile(
    rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}|[\]PX^_][^\x07\x1b\r\n]{0,2000}\x1b?|[ -/]{0,8})\Z"
)
# Erase the line, its start or the screen; move the cursor to the first column, or to another line.
RETURN = re.compile(rb"\x1b(?:\[[12]K|\[[01]?[G`]|\[\d{0,4}[EF]|\[[\d;]{0,16}[Hf]|\[[23]J|[cEM])")
EDGE = re.compile(ENDS.pattern + b"|" + RETURN.pattern)
MOVE = re.compile(rb"\x1b\[(\d{0,3})([CD])")  # move the cursor right or left
INVISIBLE = bytes(set(range(32)) - set(b"\b\t\n\v\f\r")) + b"\x7f"
BLANKS = b" \t\xef\xbb\xbf"  # and a byte order mark
CONTINUATION = bytes(range(0x80, 0xC0))  # all but the first byte of a UTF-8 character


class Pieces:
    """Re-chunk a log so that no escape sequence is split."""

    def __init__(self) -> None:
        self._incomplete = b""

    def whole(self, chunk: bytes) -> bytes:
        """The chunk, with what was held back before, up to an incomplete escape sequence at its end."""
        chunk = self._incomplete + chunk
        match = INCOMPLETE_ESCAPE.search(chunk, max(0, len(chunk) - MAX_ESCAPE_BYTES))
        cut = match.start() if match else len(chunk)
        self._incomplete = chunk[cut:]
        return chunk[:cut]

    def rest(self) -> bytes:
        """What is still held back at the end of the log."""
        rest, self._incomplete = self._incomplete, b""
        return rest


def visible(piece: bytes) -> bytes:
    """Only text, line ends and backspaces; escape sequences that return to the line's start become `\\r`."""
    if b"\x1b" in piece:
        piece = ESCAPE.sub(equivalent, piece)
    return piece.translate(None, INVISIBLE)


def equivalent(escape: re.Match[bytes]) -> bytes:
    """The plain characters with the same effect on the line as an escape sequence."""
    if RETURN.fullmatch(escape[0]):
        return b"\r"
    if move := MOVE.fullmatch(escape[0]):
        return (b" " if move[2] == b"C" else b"\b") * int(move[1] or 1)
    return b""


class Line:
    """One line so far. If it can't be a RESULT line, only its head is kept."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._dropped = 0  # characters that were not kept

    def add(self, text: bytes) -> None:
        """Append text from `visible`, without line ends."""
        first, *rest = text.split(b"\b")
        self._append(first)
        for part in rest:
            self._back()
            self._append(part)

    def _append(self, text: bytes) -> None:
        if self._dropped:
            self._dropped += width(text)
            return
        self._text += text
        if len(self._text) > (MAX_RESULT_BYTES if self.may_be_result else HEAD_BYTES):
            self._dropped = width(self._text[HEAD_BYTES:])
            del self._text[HEAD_BYTES:]

    def _back(self) -> None:
        if self._dropped:
            self._dropped -= 1
            return
        while self._text and self._text.pop() in CONTINUATION:
            pass

    @property
    def may_be_result(self) -> bool:
        """Whether it starts like a RESULT line so far; blanks alone do not count."""
        head = bytes(self._text[:HEAD_BYTES]).lstrip(BLANKS)
        return bool(head) and (head.startswith(MARKER) or MARKER.startswith(head))

    @property
    def too_long(self) -> bool:
        """Whether it is a RESULT line longer than `MAX_RESULT_BYTES`."""
        return self._dropped > 0 and bytes(self._text).lstrip(BLANKS).startswith(MARKER)

    @property
    def result(self) -> bytes | None:
        """What follows the marker; None if this is not a RESULT line, or one that is too long."""
        if self._dropped or not bytes(self._text[:HEAD_BYTES]).lstrip(BLANKS).startswith(MARKER):
            return None
        return bytes(self._text).lstrip(BLANKS)[len(MARKER) :]


class ResultFinder:
    """Find the RESULT lines of a log. Yields what follows the marker, or None for a line that is too long."""

    def __init__(self) -> None:
        self._pieces, self._line = Pieces(), Line()

    def take(self, chunk: bytes) -> Iterator[bytes | None]:
        """Yield the RESULT lines that end in this chunk."""
        text = visible(self._pieces.whole(chunk))
        first = ENDS.search(text)
        if first is None:
            self._line.add(text)
            return
        last = max(text.rfind(end) for end in (b"\n", b"\r", b"\v", b"\f"))
        self._line.add(text[: first.start()])
        yield from self._ended()
        middle = text[first.end() : last]
        if b"RESULT" in middle or b"\b" in middle:  # otherwise it has no RESULT line
            for line in ENDS.split(middle):
                self._line.add(line)
                yield from self._ended()
        self._line.add(text[last + 1 :])

    def end(self) -> Iterator[bytes | None]:
        """Yield the last line of a complete log if it is a RESULT line without a newline."""
        self._pieces.rest()  # half an escape sequence, which no terminal shows
        yield from self._ended()

    def _ended(self) -> Iterator[bytes | None]:
        line, self._line = self._line, Line()
        if line.result is not None or line.too_long:
            yield line.result


def width(text: bytes | bytearray) -> int:
    """The number of characters in UTF-8 text."""
    return len(text.translate(None, CONTINUATION))
