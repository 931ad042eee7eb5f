"""The log on a terminal: a long RESULT line is told in short, since the table of it follows."""

from __future__ import annotations

from collections.abc import Callable

from .log import MARK

LONG = 400  # bytes: five lines of 80 columns


class Screen:
    """Passes a log on as it comes, but for RESULT lines, which are held until they are complete."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self._held = b""
        self._fresh = True  # at the beginning of a line

    def take(self, chunk: bytes) -> None:
        """The next bytes of the log."""
        for piece in chunk.splitlines(keepends=True):
            if self._held or self._fresh:
                self._hold(piece)
            else:
                self.write(piece)
            self._fresh = piece.endswith(b"\n")

    def end(self) -> None:
        """The log is complete: its last line may lack a newline."""
        self._release()

    def _hold(self, piece: bytes) -> None:
        self._held += piece
        is_result = self._held.startswith(MARK)
        if piece.endswith(b"\n") or not (is_result or MARK.startswith(self._held)):
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, b""
        if held.startswith(MARK) and len(held) > LONG:
            held = b"RESULT { %d bytes: the table below; whole with --result PATH }\n" % len(held)
        if held:
            self.write(held)
