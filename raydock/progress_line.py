"""Progress of slow steps: one line that is updated on a terminal, short plain lines elsewhere.

    progress = ProgressLine(say, terminal(sys.stderr), "cluster: ")
    with progress.step("building 4 images"):
        progress.update("head 3/5")

On a terminal the line is `cluster: building 4 images: head 3/5 (12 s)`, redrawn every second and erased at the end.
Elsewhere nothing is drawn. Both then say `building 4 images: done in 72 s`, unless the step failed.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from raydock.printable import printable

ERASE = "\r\x1b[K"  # to the start of the line, then erase it: ECMA-48, CR and EL
SECONDS = 1.0  # between two redraws without an update
SHORT = 0.5  # seconds; a step that takes less is not worth a line about its end


def terminal(stream: TextIO) -> TextIO | None:
    """The stream if lines can be redrawn there, otherwise None."""
    return stream if stream.isatty() and os.environ.get("TERM") != "dumb" else None


class ProgressLine:
    """The progress of one command. `say` prints a whole line; the updated line is drawn on `terminal`, if any."""

    def __init__(
        self,
        say: Callable[[str], None],
        terminal: TextIO | None = None,
        prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
        tick: float = SECONDS,
    ) -> None:
        self._say = say
        self._terminal = terminal
        self._prefix = prefix
        self._clock = clock
        self._tick = tick
        self._lock = threading.RLock()
        self._step = self._detail = ""
        self._since = 0.0

    def say(self, text: str) -> None:
        """Print a line. One that is being updated continues below it."""
        with self._lock:
            self._erase()
            self._say(text)
            self._draw()

    def update(self, detail: str) -> None:
        """Show the detail in the updated line. Does nothing if there is no terminal or no step."""
        with self._lock:
            self._detail = detail
            self._draw()

    def status(self, detail: str) -> None:
        """Show the detail in the updated line, or as a plain line if there is none. For a few details per step."""
        if self._step and self._terminal:
            self.update(detail)
        else:
            self.say(detail)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show that `what`, such as "building 4 images", is under way until the block ends.

        Says how long it took. If the block raises, only the error is shown, by whoever handles it.
        """
        with self._lock:
            outer, self._step, self._detail, self._since = self._saved(), what, "", self._clock()
        if self._terminal:
            self._draw()
        else:
            self._say(what)
        try:
            with self._ticking():
                yield
            took = self._clock() - self._since
        finally:
            with self._lock:
                self._erase()
                self._step, self._detail, self._since = outer
        if took >= SHORT:
            self.say(f"{what}: done in {duration(took)}")

    def _saved(self) -> tuple[str, str, float]:
        return self._step, self._detail, self._since

    @contextmanager
    def _ticking(self) -> Iterator[None]:
        """Redraw the line every second until the block ends."""
        if not self._terminal:
            yield
            return
        ended = threading.Event()

        def redraw() -> None:
            while not ended.wait(self._tick):
                self._draw()

        ticker = threading.Thread(target=redraw, name="progress", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            ended.set()
            ticker.join()

    def _erase(self) -> None:
        if self._terminal and self._step:
            self._write(ERASE)

    def _draw(self) -> None:
        with self._lock:
            if self._terminal and self._step:
                self._write(f"{ERASE}{self._line(shutil.get_terminal_size((80, 24)).columns)}")

    def _line(self, columns: int) -> str:
        """The line, at most one column shorter than the terminal, so that it never wraps."""
        took = f" ({duration(self._clock() - self._since)})"
        text = printable(f"{self._prefix}{self._step}" + (f": {self._detail}" if self._detail else ""))
        room = max(0, columns - 1 - len(took))
        return (text if len(text) <= room else f"{text[: max(0, room - 1)]}…") + took

    def _write(self, text: str) -> None:
        if self._terminal:
            self._terminal.write(text)
            self._terminal.flush()


def duration(seconds: float) -> str:
    """A duration in whole seconds, with minutes from 2 minutes on: 95 s, 2 min 5 s."""
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"
