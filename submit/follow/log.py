"""What has been shown of a job's log: each byte once, and the RESULT line among them."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterable

from .lines import ResultFinder

SLICE = 2**20  # characters of the Job API's text that are encoded at a time
KEPT = 16 * 2**10  # bytes of the log's end that are kept, to find them again in what is read next


class Log:
    """Takes a job's log piece by piece and passes each byte on once.

    `bytes` counts what was taken; `chars` counts it as the Job API's text does, which is decoded from UTF-8 and
    has every line end turned into a newline.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self.bytes = 0
        self.chars = 0
        self.result = b""
        self.too_long = False  # the last RESULT line was dropped for its length
        self.kept = b""
        self._results = ResultFinder()
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8")("replace"), translate=True
        )

    def take(self, chunk: bytes) -> None:
        """The next bytes of the log."""
        if not chunk:
            return
        self.write(chunk)
        self.bytes += len(chunk)
        self.chars += len(self._decoder.decode(chunk))
        self.kept = (self.kept + chunk[-KEPT:])[-KEPT:]
        self._note(self._results.take(chunk))

    @property
    def lines_kept(self) -> int:
        """So many last lines of an unchanged log hold about all that is kept of it; 0 where all of it is kept."""
        return self.kept.count(b"\n") + 1 if self.bytes > KEPT else 0

    def take_end(self, end: bytes) -> bool:
        """The last lines of the log: what is new in them is taken. False where they don't show where that begins.

        It begins behind the last quarter of what is kept, where that stands in `end` just once, behind bytes that
        are the kept ones too. A log that repeats itself within `end` leaves it open.
        """
        known = self.kept[-KEPT // 4 :]
        at = end.find(known)
        again = end.find(known, at + 1)
        if at < 0 or again >= 0 or not (self.kept[: -len(known)]).endswith(end[:at][-KEPT // 2 :]):
            return False
        self.take(end[at + len(known) :])
        return True

    def take_text(self, whole: str) -> bool:
        """The log as text, from its beginning: what is new of it is taken. Whether anything was.

        The Job API sends all of it in one JSON string, so this way alone takes memory in proportion to the log.
        """
        known = self.chars
        for start in range(known, len(whole), SLICE):
            new = whole[start : start + SLICE]
            chunk = new.encode("utf-8", "replace")
            self.write(chunk)
            self.chars += len(new)
            self._note(self._results.take(chunk))
        return self.chars > known

    def _note(self, found: Iterable[bytes | None]) -> None:
        """Keeps the last result; a line of prose that begins with the mark does not replace one."""
        for result in found:
            if result is None or is_object(result) or not is_object(self.result):
                self.result, self.too_long = result or b"", result is None

    def end(self) -> None:
        """The log is complete: its last line may lack a newline."""
        self._note(self._results.end())


def is_object(result: bytes) -> bool:
    """Whether it looks like a JSON object."""
    return result.lstrip(b" \t").startswith(b"{")
