"""Polls a condition until a deadline and reports progress."""

from __future__ import annotations

import time
from collections.abc import Callable

from raydock.errors import NotReady, Unavailable

Say = Callable[[str], None]


def wait_until(check: Callable[[], str], seconds: float, what: str, say: Say, fix: str) -> None:
    """Poll `check` until it returns "", for at most `seconds`. Each new status is reported once.

    Unavailable counts as "not yet": the dashboard may still be starting. Raises NotReady with the last status.
    """
    started = time.monotonic()
    last = ""
    while status := poll(check):
        if time.monotonic() - started > seconds:
            raise NotReady(f"{what} took more than {seconds:g} s: {status}.", fix)
        if status != last:
            say(status)
        last = status
        time.sleep(0.1)


def poll(check: Callable[[], str]) -> str:
    """The status that `check` returns, or the message of Unavailable."""
    try:
        return check()
    except Unavailable as error:
        return error.message.rstrip(".")
