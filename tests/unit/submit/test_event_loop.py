"""SIGINT and SIGTERM end the event loop in an orderly way: nothing is interrupted between two lines."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from raydock import crash
from raydock.errors import UsageError
from submit import event_loop

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


def test_a_second_signal_does_not_wait() -> None:
    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        event_loop.run(work())


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
