"""Poll intervals for a followed job: short while something is happening, long while nothing is.

On the head node, one poll of a log costs 20 ms of CPU time and one of the status 12 ms (measured with Ray 2.47.1). In
the lab, that is taken from the job, so the busier the machine is, the less often a log is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """Poll intervals and timeouts, in seconds unless stated otherwise."""

    min: float = 0.1  # between polls of a new job
    max: float = 0.3  # between polls of an old job's status, if nothing else reports its end
    growing: float = 0.2  # between polls of an old job's log that is growing
    idle: float = 1.0  # between polls of a log that is not growing
    age_divisor: float = 20.0  # the interval is the job's age divided by this, within the bounds
    pause: float = 15.0  # between polls of a log, in multiples of how long the last one took; at most `idle`
    supervised: float = 2.0  # between status polls while the supervisor's log shows when to poll
    burst: float = 3.0  # of frequent status polls after the supervisor's log has changed
    bytes_per_second: float = 2e6  # the most log bytes to read, if a poll reads the whole file
    unknown_timeout: float = 5.0  # until a job that the cluster no longer reports counts as lost
    retry: float = 1.0  # before the next attempt while the cluster is not answering
    status_timeout: float = 10.0  # for one status request in total
    outage_timeout: float = 60.0  # without an answer, while awake, before giving up on the job
    outage_attempts: int = 4  # consecutive failures required, in addition to `outage_timeout`
    suspended_after: float = 5.0  # between two heartbeats: longer gaps mean that the process was suspended
    pending_notice: float = 8.0  # between notices about a job that is PENDING
    pending_reason: float = 2.0  # between lookups of the reason, on a terminal
    pending_stop: float = 3.0  # before the supervisor of a PENDING job is removed to stop the job
    stuck_first: float = 10.0  # until the first check for work that no node can hold; doubles each time
    stuck_max: float = 60.0  # the longest time between two of these checks
    stop_timeout: float = 20.0  # for a job to stop

    def for_age(self, age: float, least: float, most: float) -> float:
        """Seconds until the next poll of a job of this age in seconds; grows with the age, within the bounds."""
        return min(max(age / self.age_divisor, least), most)

    def for_load(self, took: float) -> float:
        """Seconds until the next poll of a log after one that took this long: longer on a busy machine.

        At most `idle`, because on a remote cluster it is the network that takes the time.
        """
        return min(self.pause * took, self.idle)


USUAL = PollIntervals()

HEARTBEAT = 1.0  # seconds


def boot_time() -> float:
    """A clock that also advances while the machine sleeps, when `time.monotonic` may stop."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time()


class Outage:
    """How long the cluster has not answered. Counts only time while this process was awake, not while the laptop slept.

    Call `heartbeat` about once a second: a longer gap means that the process was suspended, and restarts the count.
    Call `record_failure` or `record_success` after each request.
    """

    def __init__(self, intervals: PollIntervals, clock: Callable[[], float] = boot_time) -> None:
        self.intervals, self.clock = intervals, clock
        self.last_heartbeat = clock()
        self.record_success()

    def record_success(self) -> None:
        """Record that the cluster has answered."""
        self.since, self.failures = self.clock(), 0

    def heartbeat(self) -> None:
        """Record that the process is awake."""
        now = self.clock()
        if not 0 <= now - self.last_heartbeat <= self.intervals.suspended_after:
            self.since, self.failures = now, 0
        self.last_heartbeat = now

    def record_failure(self) -> bool:
        """Record that a request has failed. Returns whether it is time to give up."""
        self.heartbeat()
        self.failures += 1
        lasted = self.clock() - self.since
        return self.failures >= self.intervals.outage_attempts and lasted > self.intervals.outage_timeout

    @property
    def just_began(self) -> bool:
        """Whether the last failure is the first since the cluster answered or the process woke up."""
        return self.failures == 1
