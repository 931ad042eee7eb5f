"""SIGINT and SIGTERM end the event loop in an orderly way: nothing is interrupted between two lines."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from raydock import crash, event_loop
from raydock.errors import UsageError

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_cancels_the_command_where_it_waits(number: signal.Signals) -> None:
    seen = []

    async def elsewhere() -> None:
        signal.raise_signal(number)
        seen.append("the next line")

    async def work() -> None:
        other = asyncio.create_task(elsewhere())
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.wait([other])
            seen.append("cleanup")

    with pytest.raises(KeyboardInterrupt):
        event_loop.run(work())
    assert seen == ["the next line", "cleanup"]
    assert signal.getsignal(number) is signal.default_int_handler


def test_a_second_signal_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "PATIENCE", 0)

    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        event_loop.run(work())


def test_a_signal_that_is_sent_twice_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "PATIENCE", 600)
    seen = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            signal.raise_signal(signal.SIGTERM)
            seen.append("cleanup")

    async def interrupted() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await work()

    with pytest.raises(KeyboardInterrupt):
        event_loop.run(interrupted())
    assert seen == ["cleanup"]


def test_a_signal_ends_a_blocked_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a full pipe blocks it."""
    monkeypatch.setattr(event_loop, "PATIENCE", 0.05)

    reader, writer = os.pipe()

    async def work() -> None:
        signal.raise_signal(signal.SIGTERM)
        os.write(writer, bytes(2**20))

    with pytest.raises(KeyboardInterrupt):
        event_loop.run(work())
    os.close(reader)
    os.close(writer)


def test_a_signal_that_another_thread_receives_wakes_the_event_loop() -> None:
    released = threading.Event()

    def receive() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        released.wait(60)

    with pytest.raises(KeyboardInterrupt):
        event_loop.run(asyncio.to_thread(receive))
    released.set()


def test_an_error_while_a_command_is_cancelled_is_an_interrupt() -> None:
    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            raise RuntimeError("left in the wrong order")

    with pytest.raises(KeyboardInterrupt):
        event_loop.run(work())


def test_a_result_is_kept() -> None:
    async def work() -> str:
        signal.raise_signal(signal.SIGTERM)
        return "done"

    assert event_loop.run(work()) == "done"


def test_cleanup_runs_to_its_end() -> None:
    seen = []

    async def clean() -> None:
        signal.raise_signal(signal.SIGTERM)
        for step in "ab":
            await asyncio.sleep(0)
            seen.append(step)

    async def work() -> None:
        await event_loop.to_end(clean())
        seen.append("never")

    with pytest.raises(KeyboardInterrupt):
        event_loop.run(work())
    assert seen == ["a", "b"]


def test_cleanup_ends_on_the_second_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "PATIENCE", 0)

    async def clean() -> None:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        event_loop.run(event_loop.to_end(clean()))


def test_an_ignored_signal_stays_ignored() -> None:
    """As SIGINT is for a command that a shell script starts with "&"."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def work() -> str:
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(0)
        return "done"

    assert event_loop.run(work()) == "done"


def test_an_error_that_an_interrupt_caused_is_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    def masked() -> int:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")

    assert crash.ended("submit", masked) == crash.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_an_error_that_reports_an_interrupt_is_kept() -> None:
    @crash.interrupts_kept()
    def interrupted() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise UsageError("Interrupted; the cluster remains.", "delete it") from None

    with pytest.raises(UsageError):
        interrupted()
