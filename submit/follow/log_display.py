"""The log on a terminal: without RESULT lines, whose summary follows, and with a dashboard link that works.

Ray prints "View the dashboard at 172.18.0.2:8265", an address that is reachable only from the cluster's own network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from .lines import EDGE, ESCAPE, MAX_RESULT_BYTES, Line, Pieces, visible

DASHBOARD = re.compile(rb"(View the dashboard at (?:\x1b\[[\d;]{0,16}m){0,4})(?:https?://)?[^\s\x1b]{1,300}")


class LogDisplay:
    """Pass a log on as it arrives, but hold back RESULT lines until complete. `link` is the dashboard's URL."""

    def __init__(self, write: Callable[[bytes], None], link: str = "") -> None:
        self.write = write
        self.link = link.encode()
        self._pieces, self._line = Pieces(), Line()
        self._held = bytearray()
        self._fresh = True  # whether the cursor is on an empty line

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
        """Finish the log; its last line may lack a newline."""
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
            self._pass_on(raw[:cut])
        return raw[cut:]

    def _hold(self, raw: bytes) -> None:
        self._line.add(visible(raw))
        self._held += raw
        if not self._line.may_be_result or self._line.too_long or len(self._held) > MAX_RESULT_BYTES:
            self._release_held()

    def _release(self, end: bytes) -> None:
        """End the line. For a RESULT line, pass on only its escape sequences, and its end if text precedes it."""
        line, self._line = self._line, Line()
        if line.result is not None and is_json_object(line.result):
            self._held = bytearray(b"".join(ESCAPE.findall(bytes(self._held))))
            end = b"" if self._fresh and end == b"\n" else end
        self._held += end
        self._release_held()

    def _release_held(self) -> None:
        held, self._held = self._held, bytearray()
        self._pass_on(bytes(held))

    def _pass_on(self, raw: bytes) -> None:
        if not raw:
            return
        if raw.endswith(b"\n") or visible(raw):
            self._fresh = raw.endswith(b"\n")
        self.write(DASHBOARD.sub(lambda found: found[1] + self.link, raw) if self.link else raw)


def is_json_object(text: bytes) -> bool:
    """Whether it is a JSON object, as `results.result` reads it."""
    if not text.lstrip(b" \t").startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(text.decode("utf-8", "surrogateescape"), parse_int=str), dict)
    except (ValueError, RecursionError):
        return False
