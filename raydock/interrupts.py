"""How SIGINT and SIGTERM end a command: while it starts, while it runs, and while it ends.

Python's KeyboardInterrupt may come between any two lines. In an import, it may be lost or become an ImportError; while
the last message is written, it would show a traceback. A signal that the parent process ignores stays ignored.

This module must run on Python 3.6 or later, because it is imported before raydock/interpreter.py is called.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

CODE = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LAST_WORDS = 3.0  # seconds that the last message may take, for example on a terminal that is stopped

owned = False  # whether `starting` was called: the process runs one command, and nothing else
received = False  # whether a signal has interrupted the command


def starting(message: str) -> None:
    """Until `running` is called, a signal ends the process at once, because nothing has been done yet."""
    global owned
    owned = True

    def leave(number: int, frame: "FrameType | None") -> None:
        try:
            os.write(2, f"\n{message}\n".encode())
        finally:
            os._exit(CODE)

    handle(leave)


def running() -> None:
    """From now on, a signal raises KeyboardInterrupt."""
    if owned:
        handle(interrupt)


def ending(code: int, seconds: float = 0) -> None:
    """From now on, a signal ends the process at once, with this exit code; so does the end of these seconds."""

    def leave(number: int, frame: "FrameType | None") -> None:
        os._exit(code)

    if not owned:
        return
    handle(leave)
    signal.signal(signal.SIGALRM, leave)
    if seconds:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def interrupt(number: int, frame: "FrameType | None") -> None:
    """Raise KeyboardInterrupt, and remember it."""
    global received
    received = True
    raise KeyboardInterrupt


def handle(handler: "Callable[[int, FrameType | None], Any]") -> None:
    """Install a handler for both signals, unless the parent process ignores them."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
