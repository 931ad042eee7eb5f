"""The lines of a log as a person sees them, and which of them are RESULT lines: for `log`, `screen` and `probe`.

A line ends at a newline, and also where the cursor returns to its beginning: at a carriage return, and at a terminal's
code that goes there or erases the line. So a RESULT is found behind a progress bar that wiped itself. Colours and all
other codes are invisible, a backspace takes back what is before it, and blanks may stand before the mark. Within a
line that a person sees as longer, "my RESULT {}", it is not one.

A log is taken in pieces, in time proportional to its length and in memory bounded by `LONGEST`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MARK = b"RESULT "
LONGEST = 16 * 2**20 + len(MARK)  # bytes of a RESULT line
HEAD = 64  # bytes kept of any other line: some blanks and the mark
TORN = 2048  # bytes of a terminal's code whose end is awaited

ENDS = re.compile(rb"[\n\r\v\f]")
# ECMA-48: colours, erasing and the cursor; titles and links; a letter behind ESC. The bounds keep a search linear.
CODE = re.compile(
    rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|[\]PX^_][^\x07\x1b\r\n]{0,2000}(?:\x07|\x1b\\)|[ -/]{0,8}[0-OQ-WYZ\\`-~])"
)
BEGUN = re.compile(rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}|[\]PX^_][^\x07\x1b\r\n]{0,2000}\x1b?|[ -/]{0,8})\Z")
# Erase the line, its beginning or the screen; go to the first column, or to another line.
RETURN = re.compile(rb"\x1b(?:\[[12]K|\[[01]?[G`]|\[\d{0,4}[EF]|\[[\d;]{0,16}[Hf]|\[[23]J|[cEM])")
EDGE = re.compile(ENDS.pattern + b"|" + RETURN.pattern)
MOVE = re.compile(rb"\x1b\[(\d{0,3})([CD])")  # the cursor to the right, to the left
INVISIBLE = bytes(set(range(32)) - set(b"\b\t\n\v\f\r")) + b"\x7f"
BLANKS = b" \t\xef\xbb\xbf"  # a byte order mark, too
CONTINUATION = bytes(range(0x80, 0xC0))  # of a UTF-8 character


class Pieces:
    """Passes on what comes, never with a terminal's code torn in two."""

    def __init__(self) -> None:
        self._torn = b""

    def whole(self, chunk: bytes) -> bytes:
        """The next bytes, up to a code at their end that is not complete yet."""
        chunk = self._torn + chunk
        begun = BEGUN.search(chunk, max(0, len(chunk) - TORN))
        cut = begun.start() if begun else len(chunk)
        self._torn = chunk[cut:]
        return chunk[:cut]

    def rest(self) -> bytes:
        """What is left when no more comes."""
        torn, self._torn = self._torn, b""
        return torn


def visible(piece: bytes) -> bytes:
    """Text, line ends and backspaces alone; codes that return to the line's beginning become a carriage return."""
    if b"\x1b" in piece:
        piece = CODE.sub(meaning, piece)
    return piece.translate(None, INVISIBLE)


def meaning(code: re.Match[bytes]) -> bytes:
    """What a terminal's code does to the line."""
    if RETURN.fullmatch(code[0]):
        return b"\r"
    if move := MOVE.fullmatch(code[0]):
        return (b" " if move[2] == b"C" else b"\b") * int(move[1] or 1)
    return b""


class Line:
    """One line, as far as it has come. Of one that can't be a RESULT line little is kept."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._beyond = 0  # characters that were not kept

    def add(self, text: bytes) -> None:
        """More of it, as `visible` gives it, without line ends."""
        first, *rest = text.split(b"\b")
        self._append(first)
        for part in rest:
            self._back()
            self._append(part)

    def _append(self, text: bytes) -> None:
        if self._beyond:
            self._beyond += width(text)
            return
        self._text += text
        if len(self._text) > (LONGEST if self.begins else HEAD):
            self._beyond = width(self._text[HEAD:])
            del self._text[HEAD:]

    def _back(self) -> None:
        if self._beyond:
            self._beyond -= 1
            return
        while self._text and self._text.pop() in CONTINUATION:
            pass

    @property
    def begins(self) -> bool:
        """Whether it begins as a RESULT line does, as far as it has come; blanks alone do not."""
        head = bytes(self._text[:HEAD]).lstrip(BLANKS)
        return bool(head) and (head.startswith(MARK) or MARK.startswith(head))

    @property
    def too_long(self) -> bool:
        """Whether it is a RESULT line of more than `LONGEST` bytes."""
        return self._beyond > 0 and bytes(self._text).lstrip(BLANKS).startswith(MARK)

    @property
    def result(self) -> bytes | None:
        """What follows the mark, where this is a RESULT line."""
        if self._beyond or not bytes(self._text[:HEAD]).lstrip(BLANKS).startswith(MARK):
            return None
        return bytes(self._text).lstrip(BLANKS)[len(MARK) :]


class ResultFinder:
    """Finds the RESULT lines of a log: what follows the mark in each, None for one of more than `LONGEST` bytes."""

    def __init__(self) -> None:
        self._pieces, self._line = Pieces(), Line()

    def take(self, chunk: bytes) -> Iterator[bytes | None]:
        """The RESULT lines that end in the next bytes."""
        text = visible(self._pieces.whole(chunk))
        first = ENDS.search(text)
        if first is None:
            self._line.add(text)
            return
        last = max(text.rfind(end) for end in (b"\n", b"\r", b"\v", b"\f"))
        self._line.add(text[: first.start()])
        yield from self._ended()
        middle = text[first.end() : last]
        if b"RESULT" in middle or b"\b" in middle:  # else none of its lines is one
            for line in ENDS.split(middle):
                self._line.add(line)
                yield from self._ended()
        self._line.add(text[last + 1 :])

    def end(self) -> Iterator[bytes | None]:
        """The log is complete: its last line may lack a newline."""
        self._pieces.rest()  # half a code, which no terminal shows
        yield from self._ended()

    def _ended(self) -> Iterator[bytes | None]:
        line, self._line = self._line, Line()
        if line.result is not None or line.too_long:
            yield line.result


def width(text: bytes | bytearray) -> int:
    """Characters of UTF-8."""
    return len(text.translate(None, CONTINUATION))
