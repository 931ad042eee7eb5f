"""The steps of a slow command: one updating line on a terminal, short plain lines elsewhere.

    steps = Steps(say, StatusLine(sys.stderr), "cluster: ")
    with steps.step("building head, cpu-worker"):
        steps.update("head 3/5")

On a terminal the line is `cluster: building head, cpu-worker: head 3/5 (12 s)`. It is redrawn every second and erased
at the end. Elsewhere, `building head, cpu-worker` is printed at the start. In both cases, `…: done in 72 s` is printed
at the end, unless the step failed.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from raydock.terminal.printable import printable
from raydock.terminal.status_line import StatusLine, cut

SECONDS = 1.0  # between two redraws without an update
SHORT = 0.5  # seconds; shorter steps get no closing line


class Steps:
    """The steps of one command. `say` prints a whole line; `line` is the updating line, if any."""

    def __init__(
        self,
        say: Callable[[str], None],
        line: StatusLine | None = None,
        prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
        tick: float = SECONDS,
    ) -> None:
        self._say = say
        self._line = line if line and line.enabled else None
        self._prefix = prefix
        self._clock = clock
        self._tick = tick
        self._lock = threading.RLock()
        self._what = self._detail = ""
        self._since = 0.0

    def say(self, text: str) -> None:
        """Print a line, above the one that is being updated."""
        with self._lock:
            if self._line:
                self._line.clear()
            self._say(text)
            self._draw()

    def update(self, detail: str) -> None:
        """Show a detail of the current step in the updating line, if there is one."""
        with self._lock:
            self._detail = detail
            self._draw()

    def status(self, detail: str) -> None:
        """Show a detail of the current step in the updating line, or else as a plain line. For only a few per step."""
        if self._line and self._what:
            self.update(detail)
        else:
            self.say(detail)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show that `what`, such as "building head", is in progress until the block ends, and print how long it took.

        A nested step is a detail of the outer one. If the block raises, no closing line is printed.
        """
        if self._what:
            self.status(what)
            yield
            return
        self._begin(what)
        try:
            with self._ticking():
                yield
            took = self._clock() - self._since
        finally:
            self._end()
        if took >= SHORT:
            self.say(f"{what}: done in {duration(took)}")

    def _begin(self, what: str) -> None:
        if not self._line:
            self._say(what)
        self._what, self._detail, self._since = what, "", self._clock()
        self._draw()

    def _end(self) -> None:
        with self._lock:
            self._what = self._detail = ""
            if self._line:
                self._line.clear()

    @contextmanager
    def _ticking(self) -> Iterator[None]:
        """Redraw the line every second until the block ends."""
        if not self._line:
            yield
            return
        ended = threading.Event()

        def redraw() -> None:
            while not ended.wait(self._tick):
                self._draw()

        ticker = threading.Thread(target=redraw, name="steps", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            ended.set()
            ticker.join()

    def _draw(self) -> None:
        with self._lock:
            if self._line and self._what:
                took = f" ({duration(self._clock() - self._since)})"
                text = printable(
                    f"{self._prefix}{self._what}" + (f": {self._detail}" if self._detail else "")
                )
                room = shutil.get_terminal_size((80, 24)).columns - 1 - len(took)
                self._line.update(cut(text, max(0, room)) + took)


def duration(seconds: float) -> str:
    """A duration in whole seconds, or in minutes and seconds from 2 minutes: 95 s, 2 min 5 s."""
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"
