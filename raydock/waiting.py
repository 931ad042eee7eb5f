"""Waiting for something, with a deadline and with words on the way."""

from __future__ import annotations

import time
from collections.abc import Callable

from raydock.errors import NotReady, NotUp

Say = Callable[[str], None]


def until(check: Callable[[], str], seconds: float, what: str, say: Say, fix: str) -> None:
    """Calls `check` until it returns "", at most for `seconds`; what else it returns is said once.

    A dashboard that does not answer (NotUp) may answer yet. Raises NotReady with the last status seen.
    """
    started = time.monotonic()
    last = ""
    while status := ask(check):
        if time.monotonic() - started > seconds:
            raise NotReady(f"{what} took more than {seconds:g} s: {status}.", fix)
        if status != last:
            say(status)
        last = status
        time.sleep(0.1)


def ask(check: Callable[[], str]) -> str:
    try:
        return check()
    except NotUp as error:
        return error.message.rstrip(".")
