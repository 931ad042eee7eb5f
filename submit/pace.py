"""How often a job that is followed is looked at: quickly while something happens, rarely while nothing does.

A look at a log costs the head 20 ms of CPU, one at the status 12 (measured with 2.47.1), which the job could use.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
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
    lost: float = 60.0  # without any answer, after which the job is given up
    pending: float = 8.0  # after which a waiting job is spoken of
    stop: float = 20.0  # for a job to stop when it is asked to

    def between_looks(self, age: float, least: float, most: float) -> float:
        """Seconds until the next look at a job of that age in seconds: the older, the longer, within the bounds."""
        return min(max(age / self.ages, least), most)


USUAL = Pace()
