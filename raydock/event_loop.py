"""Run a command's event loop, which SIGINT and SIGTERM end by cancelling its task.

Python's default, a KeyboardInterrupt wherever the process happens to be, may be lost in a callback or turned into a
RuntimeError in a half-entered cancel scope. asyncio cancels as well, but only for SIGINT and from Python 3.11.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from raydock import interrupts as signals
from raydock.errors import RaydockError

T = TypeVar("T")
PATIENCE = 1.0  # seconds


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine. Raises KeyboardInterrupt once a signal has cancelled it, or at once on the second signal.

    Does not wait for threads: a DNS lookup may block one for half a minute.
    """
    interrupts, results = Interrupts(), list[T]()

    async def begin() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(Threads())
        # Only the first of several concurrent failures is reported; asyncio would print the others.
        loop.set_exception_handler(lambda loop, context: None)
        interrupts.begin()
        results.append(await work)

    main = begin()
    try:
        with interrupts:
            asyncio.run(main)
    except asyncio.CancelledError:
        if not results:
            raise KeyboardInterrupt from None
    except RaydockError:
        raise
    except Exception:
        if interrupts.received:  # it led to this error
            raise KeyboardInterrupt from None
        raise
    finally:
        main.close()  # unless it has begun
        work.close()
    return results[0]


async def to_end(work: Awaitable[T]) -> T:
    """Await work that must not stop halfway. Raises CancelledError after it if this task was cancelled meanwhile.

    Only the second signal, which ends the event loop, cancels the work.
    """
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return task.result()


class Threads(ThreadPoolExecutor):
    """The event loop's threads, for which its shutdown does not wait."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=cancel_futures)


class Interrupts:
    """While entered, the first SIGINT or SIGTERM cancels the task that has called `begin`.

    A second one raises KeyboardInterrupt, but not within a second of the first: some parents forward a signal that
    the terminal has already sent to the whole group. So does the first one if the event loop does not react within a
    second, because it is blocked, for example by a full pipe. A signal without a handler stays as it is. Does nothing
    in another thread than the main one, which receives no signals.
    """

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.received = 0.0  # when, on the monotonic clock
        self.before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        # A signal that another thread receives must wake the event loop.
        self.woken, self.waker = socket.socketpair()
        self.woken.setblocking(False)
        self.waker.setblocking(False)
        self.before_waker = signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        self.before[signal.SIGALRM] = signal.signal(signal.SIGALRM, signal.default_int_handler)
        for number in signals.SIGNALS:
            if callable(handler := signal.getsignal(number)):
                self.before[number] = signals.interrupt if signals.owned else handler
                signal.signal(number, self.interrupt)

    def __exit__(self, *_: object) -> None:
        if not self.before:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.set_wakeup_fd(self.before_waker)
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.woken.close()
        self.waker.close()

    def begin(self) -> None:
        """Cancel the current task on a signal. Raises KeyboardInterrupt if there has been one."""
        if self.received:
            raise KeyboardInterrupt
        if self.before:
            self.task = asyncio.current_task()
            asyncio.get_running_loop().add_reader(self.woken, self.awake)

    def interrupt(self, *_: object) -> None:
        """Handle a signal. Raises KeyboardInterrupt for the second one."""
        now, again = time.monotonic(), self.received
        if again and now - again < PATIENCE:
            return
        self.received = now
        signals.received = signals.owned
        if again:
            raise KeyboardInterrupt
        if self.task and self.task.cancel():
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    def awake(self) -> None:
        """The event loop reacts to a signal."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        with suppress(BlockingIOError):
            self.woken.recv(64)
