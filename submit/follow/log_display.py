"""The log on a terminal: a long RESULT line is abbreviated, because its table follows."""

from __future__ import annotations

from collections.abc import Callable

from .lines import EDGE, ESCAPE, MARKER, MAX_RESULT_BYTES, Line, Pieces, visible

LONG_RESULT = 400  # bytes: five lines of 80 columns


class LogDisplay:
    """Pass a log on as it arrives, but hold back RESULT lines until they are complete."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self._pieces, self._line = Pieces(), Line()
        self._held = bytearray()

    def take(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        raw = self._plain_lines(self._pieces.whole(chunk))
        start = 0
        for edge in EDGE.finditer(raw):
            self._hold(raw[start : edge.start()])
            self._release(edge[0])
            start = edge.end()
        self._hold(raw[start:])

    def end(self) -> None:
        """The log is complete; its last line may lack a newline."""
        self._held += self._pieces.rest()
        self._release(b"")

    def _plain_lines(self, raw: bytes) -> bytes:
        """Write the complete lines of a chunk without a RESULT in one go, and return the rest."""
        text = visible(raw)
        if self._held or b"RESULT" in text or b"\b" in text:
            return raw
        cut = max(raw.rfind(b"\n"), raw.rfind(b"\r")) + 1
        if cut:
            self._line = Line()
            self.write(raw[:cut])
        return raw[cut:]

    def _hold(self, raw: bytes) -> None:
        self._line.add(visible(raw))
        self._held += raw
        if not self._line.may_be_result or self._line.too_long or len(self._held) > MAX_RESULT_BYTES:
            self._pass_on()

    def _release(self, end: bytes) -> None:
        """End the line, abbreviating it if it is a long RESULT line."""
        line, self._line = self._line, Line()
        self._held += end
        if line.result is not None and len(self._held) > LONG_RESULT:
            self._held = bytearray(shortened(bytes(self._held), end))
        self._pass_on()

    def _pass_on(self) -> None:
        held, self._held = self._held, bytearray()
        if held:
            self.write(bytes(held))


def shortened(line: bytes, end: bytes) -> bytes:
    """A long RESULT line in short form, with the escape sequences before and in it."""
    before, marker, rest = line.partition(MARKER.strip())
    summary = b"RESULT { %d bytes; see the table below, or use --result PATH for all of it }" % len(line)
    return (before if marker else b"") + summary + b"".join(ESCAPE.findall(rest)) + (end or b"\n")
