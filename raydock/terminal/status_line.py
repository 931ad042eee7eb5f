"""One line on a terminal that is rewritten as work progresses. Nothing is written if stderr is not a terminal."""

from __future__ import annotations

import os
import shutil
import unicodedata
from typing import TextIO

from raydock.terminal.printable import printable

ERASE = "\r\x1b[K"  # return to the first column and erase to the end of the line


class StatusLine:
    """The line. Call `clear` before anything else is written to the terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.shown = ""

    @property
    def enabled(self) -> bool:
        """Whether the stream is a terminal that can erase a line."""
        try:
            return self.stream.isatty() and os.environ.get("TERM") != "dumb"
        except ValueError:  # closed
            return False

    def update(self, text: str) -> None:
        """Replace the line, cut to the terminal's width so that it never wraps."""
        if not self.enabled:
            return
        line = cut(printable(text), shutil.get_terminal_size((80, 24)).columns - 1)
        if line != self.shown:
            self._write(ERASE + line)
            self.shown = line

    def clear(self) -> None:
        """Erase the line if it is shown."""
        if self.shown:
            self.shown = ""
            self._write(ERASE)

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):
            pass  # the next message reports it


def cut(text: str, columns: int) -> str:
    """The text, cut to this number of columns, including an ellipsis."""
    if columns_of(text) <= columns:
        return text
    while text and columns_of(text) >= columns:
        text = text[:-1]
    return text + "…"


def columns_of(text: str) -> int:
    """The columns that a text occupies: two for East Asian wide characters, none for combining marks."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
