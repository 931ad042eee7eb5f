"""The part of a job's log that has been shown, each byte once, and the RESULT line in it."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterable

from .lines import ResultFinder

SLICE = 2**20  # characters of the Job API's text to encode at a time
TAIL_BYTES = 16 * 2**10  # kept from the end of the log, to find our place in the next read


class Log:
    """Take a job's log in chunks and write each byte once.

    `bytes` counts the bytes taken. `chars` counts characters as in the Job API's text, which is decoded from UTF-8
    and has every line end converted to a newline.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self.bytes = 0
        self.chars = 0
        self.result = b""
        self.too_long = False  # the last RESULT line was dropped because it is too long
        self.tail = b""
        self.last = b""  # the end of what was written, also of the Job API's text
        self._results = ResultFinder()
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8")("replace"), translate=True
        )

    def take(self, chunk: bytes) -> None:
        """Take the next bytes of the log."""
        if not chunk:
            return
        self.write(chunk)
        self.bytes += len(chunk)
        self.chars += len(self._decoder.decode(chunk))
        self.tail = (self.tail + chunk[-TAIL_BYTES:])[-TAIL_BYTES:]
        self._note(chunk)

    @property
    def tail_lines(self) -> int:
        """The number of lines at the end of the log that roughly cover the kept tail; 0 if the whole log is kept."""
        return self.tail.count(b"\n") + 1 if self.bytes > TAIL_BYTES else 0

    def take_tail(self, end: bytes) -> bool:
        """Take what is new in the last lines of the log. Returns False if it is unclear where the new part begins.

        It begins after the last quarter of the kept tail, if that occurs exactly once in `end` and the bytes before it
        match, too. A log that repeats itself within `end` is ambiguous.
        """
        known = self.tail[-TAIL_BYTES // 4 :]
        at = end.find(known)
        again = end.find(known, at + 1)
        if at < 0 or again >= 0 or not (self.tail[: -len(known)]).endswith(end[:at][-TAIL_BYTES // 2 :]):
            return False
        self.take(end[at + len(known) :])
        return True

    def take_text(self, whole: str) -> bool:
        """Take what is new in the whole log as text. Returns whether anything was new.

        The Job API sends the log as one JSON string, so only this method needs memory proportional to the log.
        """
        known = self.chars
        for start in range(known, len(whole), SLICE):
            new = whole[start : start + SLICE]
            chunk = new.encode("utf-8", "replace")
            self.write(chunk)
            self.chars += len(new)
            self._note(chunk)
        return self.chars > known

    def _note(self, chunk: bytes) -> None:
        """Keep the end, and the last result."""
        self.last = (self.last + chunk[-TAIL_BYTES:])[-TAIL_BYTES:]
        self._keep(self._results.take(chunk))

    def _keep(self, found: Iterable[bytes | None]) -> None:
        """Keep the last result. Prose that starts with the marker does not replace an earlier result."""
        for result in found:
            if result is None or is_object(result) or not is_object(self.result):
                self.result, self.too_long = result or b"", result is None

    def end(self) -> None:
        """Finish the log; its last line may lack a newline."""
        self._keep(self._results.end())


def is_object(result: bytes) -> bool:
    """Whether the result looks like a JSON object."""
    return result.lstrip(b" \t").startswith(b"{")
