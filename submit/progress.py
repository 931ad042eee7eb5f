"""How far a command has come: what Ctrl-C, or an error of ours, has to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raydock.rayapi.job import Job


@dataclass(slots=True)
class Progress:
    """What is known of the job that a command sends or follows."""

    sending: bool = False
    sent: bool = False
    attach: str = ""  # the command that follows it
    job: Job | None = None  # once the cluster has confirmed how it ended

    @property
    def told(self) -> str:
        """What became of the job, for somebody whose command ends before it has told; empty where none was sent."""
        if self.job:
            return f"The job {self.job.submission_id} is {self.job.status}; its log: {self.attach}"
        if self.sent:
            return f"The job goes on; follow it with: {self.attach}"
        return f"The job may have been sent; see with: {self.attach}" if self.sending else ""
