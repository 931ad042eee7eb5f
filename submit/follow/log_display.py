"""The log on a terminal: a long RESULT line is told in short, since the table of it follows."""

from __future__ import annotations

from collections.abc import Callable

from .lines import CODE, EDGE, LONGEST, MARK, Line, Pieces, visible

LONG = 400  # bytes: five lines of 80 columns


class LogDisplay:
    """Passes a log on as it comes, but for RESULT lines, which are held until they are complete."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self._pieces, self._line = Pieces(), Line()
        self._held = bytearray()

    def take(self, chunk: bytes) -> None:
        """The next bytes of the log."""
        raw = self._plain_lines(self._pieces.whole(chunk))
        start = 0
        for edge in EDGE.finditer(raw):
            self._hold(raw[start : edge.start()])
            self._release(edge[0])
            start = edge.end()
        self._hold(raw[start:])

    def end(self) -> None:
        """The log is complete: its last line may lack a newline."""
        self._held += self._pieces.rest()
        self._release(b"")

    def _plain_lines(self, raw: bytes) -> bytes:
        """Passes on the complete lines of what holds no RESULT, at once; what is left."""
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
        if not self._line.begins or self._line.too_long or len(self._held) > LONGEST:
            self._pass_on()

    def _release(self, end: bytes) -> None:
        """The line is complete."""
        line, self._line = self._line, Line()
        self._held += end
        if line.result is not None and len(self._held) > LONG:
            self._held = bytearray(shortened(bytes(self._held), end))
        self._pass_on()

    def _pass_on(self) -> None:
        held, self._held = self._held, bytearray()
        if held:
            self.write(bytes(held))


def shortened(line: bytes, end: bytes) -> bytes:
    """A long RESULT line in short, with the terminal's codes that stand before it and in it."""
    before, mark, rest = line.partition(MARK.strip())
    told = b"RESULT { %d bytes: the table below; whole with --result PATH }" % len(line)
    return (before if mark else b"") + told + b"".join(CODE.findall(rest)) + (end or b"\n")
