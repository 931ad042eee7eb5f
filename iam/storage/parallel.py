"""Runs a function on many items in a few threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

WORKERS = 8  # fewer than the 10 connections that the client keeps
T = TypeVar("T")


def nothing() -> None:
    """Do nothing."""


def for_each(act: Callable[[T], None], items: Iterable[T], stop: Callable[[], None] = nothing) -> None:
    """Run `act` on every item. Raises the first error.

    After an error or Ctrl-C, calls that have not started are dropped, and `stop` is called to end the others.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting = set[Future[None]]()
        try:
            for item in items:
                if len(waiting) >= 2 * WORKERS:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    raise_first(done)
                waiting.add(pool.submit(act, item))
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                raise_first(done)
        except BaseException:
            stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def raise_first(done: Iterable[Future[None]]) -> None:
    """Raise the error of a call, if any failed."""
    for one in done:
        one.result()
