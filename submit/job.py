"""A job as the Job API tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
EXIT_CODES = {"SUCCEEDED": 0, "FAILED": 1, "STOPPED": 5}


@dataclass(frozen=True, slots=True)
class Job:
    """One submission. Times are in seconds since the epoch, 0 where there is none yet."""

    submission_id: str
    status: str
    message: str = ""
    entrypoint: str = ""
    driver_node: str = ""
    started: float = 0
    ended: float = 0
    driver_exit_code: int | None = None

    @property
    def terminal(self) -> bool:
        """Whether the job has ended for good."""
        return self.status in TERMINAL


def job_of(reply: Mapping[str, Any]) -> Job:
    """A job from the JSON of `GET /api/jobs/ID`."""
    return Job(
        submission_id=reply.get("submission_id") or "",
        status=reply.get("status") or "",
        message=reply.get("message") or "",
        entrypoint=reply.get("entrypoint") or "",
        driver_node=reply.get("driver_node_id") or "",
        started=(reply.get("start_time") or 0) / 1000,
        ended=(reply.get("end_time") or 0) / 1000,
        driver_exit_code=reply.get("driver_exit_code"),
    )
