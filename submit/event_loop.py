"""Run the submitter's event loop, which SIGINT and SIGTERM end by cancelling its task.

Python's default, a KeyboardInterrupt wherever the process happens to be, may be lost in a callback or turned into a
RuntimeError in a half-entered cancel scope. asyncio cancels as well, but only for SIGINT and from Python 3.11.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine. Raises KeyboardInterrupt once a signal has cancelled it, or at once on the second signal.

    Does not wait for threads: a DNS lookup may block one for half a minute.
    """
    interrupts = Interrupts()

    async def begin() -> T:
        interrupts.task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(Threads())
        # Only the first of several concurrent failures is reported; asyncio would print the others.
        loop.set_exception_handler(lambda loop, context: None)
        return await work

    try:
        with interrupts:
            return asyncio.run(begin())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


class Threads(ThreadPoolExecutor):
    """The event loop's threads, for which its shutdown does not wait."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=cancel_futures)


class Interrupts:
    """While entered, the first SIGINT or SIGTERM cancels `task`. A signal that the process ignores stays ignored."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is signal.default_int_handler:
                self.before[number] = signal.signal(number, self.interrupt)

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def interrupt(self, *_: object) -> None:
        """Handle a signal. Raises KeyboardInterrupt unless it can cancel the task."""
        task, self.task = self.task, None
        if task is None or not task.cancel():
            raise KeyboardInterrupt
        task.get_loop().call_soon_threadsafe(lambda: None)  # it may be waiting for sockets
