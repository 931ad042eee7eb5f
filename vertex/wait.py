"""Polling policy for a cluster on Vertex AI: when to poll, what to report, when to give up.

It neither sleeps nor sends requests, so blocking and asynchronous commands can share it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from raydock.errors import Unreachable
from vertex.errors import VertexError

FIRST, MOST = 0.5, 5.0  # seconds between polls; each pause is 1.5 times the previous one
TELL = 30.0  # seconds between reports of an unchanged state
TRIES = 3  # unanswered polls before the first response: more would not help


class TimeUp(VertexError):
    """The cluster was not ready in time. `state` is the last one seen; "" if nothing answered."""

    def __init__(self, state: str, seconds: float) -> None:
        super().__init__(f"It is still {state or 'unanswered'} after {seconds:g} s.")
        self.state = state


@dataclass(slots=True)
class Waiter:
    """Takes the result of each poll and returns the seconds until the next. `tell` gets the state and elapsed seconds.

    Only consecutive unanswered polls count. After the first response they no longer end the wait before the timeout;
    `answered` says that there has already been a response.
    """

    seconds: float
    tell: Callable[[str, float], None]
    answered: bool = False
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0
    state: str = ""
    told: float = 0.0
    pause: float = 0.0
    silent: int = 0  # consecutive unanswered polls
    seen: str = ""  # the last state from an answered poll

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def passed(self) -> float:
        """Elapsed seconds."""
        return self.clock() - self.began

    def saw(self, state: str) -> float:
        """Record a poll that found the cluster in a state other than the expected one. Raises TimeUp."""
        self.answered, self.silent, self.seen = True, 0, state
        self.say(state)
        return self.next()

    def unanswered(self, fault: Unreachable) -> float:
        """Record an unanswered poll. Raises TimeUp, or the error itself if there has never been a response.

        The first in a row is not reported, because the lab delays its first response about a new cluster.
        """
        self.silent += 1
        if not self.answered and self.silent >= TRIES:
            raise fault
        if self.silent > 1:
            self.say(f"no answer ({fault.message.rstrip('.')}); trying again")
        return self.next()

    def say(self, state: str) -> None:
        """Report a new state immediately, and an unchanged one every TELL seconds."""
        if state != self.state or self.passed - self.told >= TELL:
            self.tell(state, self.passed)
            self.state, self.told = state, self.passed

    def next(self) -> float:
        """The seconds until the next poll. Raises TimeUp."""
        if self.passed >= self.seconds:
            raise TimeUp(self.seen, self.seconds)
        self.pause = min(self.pause * 1.5 or FIRST, MOST)
        return min(self.pause, max(self.seconds - self.passed, 0.01))
