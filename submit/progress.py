"""The progress of a command: what to say about the job on Ctrl-C or after an internal error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raydock.rayapi.job import Job


@dataclass(slots=True)
class Progress:
    """What is known so far about the job that a command submits or follows."""

    sending: bool = False
    sent: bool = False
    stopping: bool = False  # after its deadline
    delivered: bool = False  # its log and result are on this machine
    kept: str = ""  # where its log is, if the cluster may not outlive the job
    attach: str = ""  # the command that follows the job
    job: Job | None = None  # set once the cluster has confirmed the job's outcome
    accepted: Callable[[str], None] | None = (
        None  # called with the submission id once the cluster has accepted it
    )

    @property
    def summary(self) -> str:
        """What happened to the job, for a command that exits early; empty if no job was submitted."""
        if self.job:
            log = self.kept or f"see its log with: {self.attach}"
            return f"Job {self.job.submission_id} is {self.job.status}; {log}"
        if self.sent:
            return f"The job keeps running; follow it with: {self.attach}"
        return f"The job may have been submitted; check with: {self.attach}" if self.sending else ""
