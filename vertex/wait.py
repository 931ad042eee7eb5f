"""Polling policy for a cluster on Vertex AI: when to poll, what to report, when to give up.

It neither sleeps nor sends requests, so blocking and asynchronous commands can share it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from raydock.errors import Unreachable
from raydock.units import span
from vertex.errors import VertexError

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds between polls; each pause is 1.5 times the previous one
REPORT_EVERY = 30.0  # seconds between reports of an unchanged state
FIRST_ANSWER_TRIES = 3  # unanswered polls before the first response: more would not help


def still(subject: str, state: str, seconds: float) -> str:
    """Say that a wait timed out, without a full stop. `state` is the last one seen; "" if nothing answered."""
    return f"{subject} is still {state} after {span(seconds)}" if state else f"No answer for {span(seconds)}"


class WaitTimeout(VertexError):
    """The cluster was not ready in time. `state` is the last one seen; "" if nothing answered."""

    def __init__(self, state: str, seconds: float) -> None:
        super().__init__(f"{still('The cluster', state, seconds)}.")
        self.state = state


@dataclass(slots=True)
class Waiter:
    """Takes the result of each poll and returns the seconds until the next.

    `report` gets the state and the elapsed seconds. Only consecutive unanswered polls count. After the first response
    they no longer end the wait before the timeout; `answered` says that there has already been a response.
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
        """Elapsed seconds."""
        return self.clock() - self.started_at

    def record_state(self, state: str) -> float:
        """Record a poll that found the cluster in a state other than the expected one. Raises TimeUp."""
        self.answered, self.unanswered_polls, self.last_state = True, 0, state
        self.report_change(state)
        return self.next_pause()

    def record_unanswered(self, fault: Unreachable) -> float:
        """Record an unanswered poll. Raises TimeUp, or the error itself if there has never been a response.

        The first in a row is not reported, because the lab delays its first response about a new cluster.
        """
        self.unanswered_polls += 1
        if not self.answered and self.unanswered_polls >= FIRST_ANSWER_TRIES:
            raise fault
        if self.unanswered_polls > 1:
            self.report_change(f"no answer ({fault.message.rstrip('.')}); retrying")
        return self.next_pause()

    def report_change(self, state: str) -> None:
        """Report a new state immediately, and an unchanged one every TELL seconds."""
        if state != self.state or self.elapsed - self.reported_at >= REPORT_EVERY:
            self.report(state, self.elapsed)
            self.state, self.reported_at = state, self.elapsed

    def next_pause(self) -> float:
        """The seconds until the next poll. Raises TimeUp."""
        if self.elapsed >= self.seconds:
            raise WaitTimeout(self.last_state, self.seconds)
        self.pause = min(self.pause * 1.5 or FIRST_PAUSE, LONGEST_PAUSE)
        return min(self.pause, max(self.seconds - self.elapsed, 0.01))
