"""How often a job that is followed is looked at: quickly while something happens, rarely while nothing does.

A look at a log costs the head 20 ms of CPU, one at the status 12 (measured with 2.47.1), which the job could use.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """How often and how long, in seconds."""

    quickest: float = 0.1  # between two looks at a young job, or at a log that grows
    slowest: float = 0.3  # and at an old one, where only the status tells its end
    still: float = 1.0  # and at a log that does not grow, where a look would find nothing
    ages: float = 60.0  # for which a job has run that is looked at once a second, within these bounds
    asleep: float = 2.0  # and at its status, where the supervisor's log tells when to look
    awake: float = 3.0  # for which the status is looked at quickly after that log has changed
    bytes: float = 2e6  # of log read in a second, at most, where a look takes the whole file
    unknown: float = 5.0  # for which a job may be unknown to the cluster that took it
    retry: float = 1.0  # before the next try while the cluster does not answer
    answer: float = 10.0  # for the status to be told, all in all, before that counts as no answer
    lost: float = 60.0  # without any answer while awake, after which the job is given up
    tries: int = 4  # in a row that must have failed by then
    asleep_after: float = 5.0  # between two beats of the clock, after which this process was suspended
    pending: float = 8.0  # after which a waiting job is spoken of
    stuck: float = (
        10.0  # until the first look for work that fits on no node; each later one is twice as far off
    )
    stuck_most: float = 60.0  # and at most this far
    stop: float = 20.0  # for a job to stop when it is asked to

    def between_looks(self, age: float, least: float, most: float) -> float:
        """Seconds until the next look at a job of that age in seconds: the older, the longer, within the bounds."""
        return min(max(age / self.ages, least), most)


USUAL = PollIntervals()

BEAT = 1.0  # seconds


def boot_time() -> float:
    """Seconds that pass while the machine sleeps, too: `time.monotonic` may stand still then."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time()


class Outage:
    """How long the cluster has not answered while this process was awake and tried: a closed laptop counts for nothing.

    `beat` is to be called about once a second. A longer gap means that the process was suspended; then the count
    begins again. `failed` and `answered` are told what came of each try.
    """

    def __init__(self, intervals: PollIntervals, clock: Callable[[], float] = boot_time) -> None:
        self.intervals, self.clock = intervals, clock
        self.last = clock()
        self.answered()

    def answered(self) -> None:
        """The cluster has answered."""
        self.since, self.tries = self.clock(), 0

    def beat(self) -> None:
        """The process is awake."""
        now = self.clock()
        if not 0 <= now - self.last <= self.intervals.asleep_after:
            self.since, self.tries = now, 0
        self.last = now

    def failed(self) -> bool:
        """One more try has failed. Whether it was the last that was worth making."""
        self.beat()
        self.tries += 1
        return self.tries >= self.intervals.tries and self.clock() - self.since > self.intervals.lost

    @property
    def first(self) -> bool:
        """Whether the try that failed was the first since the cluster answered, or since the process woke up."""
        return self.tries == 1
