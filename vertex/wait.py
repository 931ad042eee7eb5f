"""Waiting for a cluster of Vertex AI: when to look again, what to say meanwhile, when to give up.

It sleeps and asks nothing itself, so that a command that blocks and one that doesn't wait alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from raydock.errors import Unreachable
from vertex.errors import VertexError

FIRST, MOST = 0.5, 5.0  # seconds between two looks; each pause is half as long again as the one before
TELL = 30.0  # between two lines in the same state
TRIES = 3  # looks without an answer, before there has been one: more would not help


class TimeUp(VertexError):
    """The cluster was not ready in time; `state` is the last that was seen, "" where nothing answered."""

    def __init__(self, state: str, seconds: float) -> None:
        super().__init__(f"It is still {state or 'unanswered'} after {seconds:g} s.")
        self.state = state


@dataclass(slots=True)
class Waiter:
    """Hears of each look, and answers with the seconds until the next. `tell` hears of the state, and how long it took.

    Only looks without an answer that follow one another count, and once there has been one they end nothing before
    the time is up: `answered` says that there was one before.
    """

    seconds: float
    tell: Callable[[str, float], None]
    answered: bool = False
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0
    state: str = ""
    told: float = 0.0
    pause: float = 0.0
    silent: int = 0  # looks without an answer, in a row
    seen: str = ""  # the last state that was not silence

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def passed(self) -> float:
        return self.clock() - self.began

    def saw(self, state: str) -> float:
        """After a look that found the cluster in that state, which is not the one awaited. Raises TimeUp."""
        self.answered, self.silent, self.seen = True, 0, state
        self.say(state)
        return self.next()

    def unanswered(self, fault: Unreachable) -> float:
        """After one without an answer. Raises the fault where there has never been one, TimeUp likewise.

        The first in a row is nothing to tell of: the lab holds its first answer about a new cluster back.
        """
        self.silent += 1
        if not self.answered and self.silent >= TRIES:
            raise fault
        if self.silent > 1:
            self.say(f"no answer ({fault.message.rstrip('.')}); trying again")
        return self.next()

    def say(self, state: str) -> None:
        """Tells of another state at once, and of the same every TELL seconds."""
        if state != self.state or self.passed - self.told >= TELL:
            self.tell(state, self.passed)
            self.state, self.told = state, self.passed

    def next(self) -> float:
        if self.passed >= self.seconds:
            raise TimeUp(self.seen, self.seconds)
        self.pause = min(self.pause * 1.5 or FIRST, MOST)
        return min(self.pause, max(self.seconds - self.passed, 0.01))
