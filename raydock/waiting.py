"""Polls until a deadline and reports progress: `wait_until` blocks, `Waiter` only decides when to poll and to give up.

`Waiter` neither sleeps nor sends requests, so blocking and asynchronous commands can share it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from raydock.errors import NotReady, Unavailable, Unreachable
from raydock.units import span

Say = Callable[[str], None]
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds between polls; each pause is 1.5 times the previous one
REPORT_EVERY = 30.0  # seconds between reports of an unchanged state
FIRST_ANSWER_TRIES = 3  # the number of unanswered polls before giving up if there has never been a response


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


def still(subject: str, state: str, seconds: float) -> str:
    """The message for a timeout, without a final period. `state` is the last known one, or "" without any response."""
    return (
        f"{subject} is still {state} after {span(seconds)}" if state else f"No response for {span(seconds)}"
    )


class WaitTimeout(NotReady):
    """The cluster was not ready in time. `state` is the last known one, or "" if there was no response."""

    def __init__(self, state: str, seconds: float) -> None:
        super().__init__(f"{still('The cluster', state, seconds)}.")
        self.state = state


@dataclass(slots=True)
class Waiter:
    """Records the result of each poll and returns the seconds until the next one.

    `report` is called with the state and the elapsed seconds. Only consecutive unanswered polls count. Once there has
    been a response (`answered`), unanswered polls no longer end the wait before the timeout.
    """

    seconds: float
    report: Callable[[str, float], None]
    answered: bool = False
    clock: Callable[[], float] = time.monotonic
    started_at: float = 0.0
    state: str = ""
    reported_at: float = 0.0
    pause: float = 0.0
    unanswered_polls: int = 0  # consecutive unanswered polls
    last_state: str = ""  # the last state from an answered poll

    def __post_init__(self) -> None:
        self.started_at = self.clock()

    @property
    def elapsed(self) -> float:
        """The elapsed seconds."""
        return self.clock() - self.started_at

    def record_state(self, state: str) -> float:
        """Record a poll that found the cluster in a state other than the expected one. Raises WaitTimeout."""
        self.answered, self.unanswered_polls, self.last_state = True, 0, state
        self.report_change(state)
        return self.next_pause()

    def record_unanswered(self, fault: Unreachable) -> float:
        """Record an unanswered poll. Raises WaitTimeout, or `fault` itself if there has never been a response.

        The first of several unanswered polls is not reported, because the lab delays its first response about a new
        cluster.
        """
        self.unanswered_polls += 1
        if not self.answered and self.unanswered_polls >= FIRST_ANSWER_TRIES:
            raise fault
        if self.unanswered_polls > 1:
            self.report_change(f"no response ({fault.message.rstrip('.')}); retrying")
        return self.next_pause()

    def report_change(self, state: str) -> None:
        """Report a new state immediately, and an unchanged one every REPORT_EVERY seconds."""
        if state != self.state or self.elapsed - self.reported_at >= REPORT_EVERY:
            self.report(state, self.elapsed)
            self.state, self.reported_at = state, self.elapsed

    def next_pause(self) -> float:
        """The seconds until the next poll. Raises WaitTimeout."""
        if self.elapsed >= self.seconds:
            raise WaitTimeout(self.last_state, self.seconds)
        self.pause = min(self.pause * 1.5 or FIRST_PAUSE, LONGEST_PAUSE)
        return min(self.pause, max(self.seconds - self.elapsed, 0.01))
