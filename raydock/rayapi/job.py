"""A job, as the Job API describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydock.answers import mapping, moment, number, text, texts

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
NO_ROOM = ("No space left on device", "OutOfDiskError")
STATUSES = TERMINAL | {"PENDING", "RUNNING"}  # ray/dashboard/modules/job/common.py
EXIT_CODES = {"SUCCEEDED": 0, "FAILED": 1, "STOPPED": 5}


@dataclass(frozen=True, slots=True)
class Job:
    """One submission. Times are in seconds since the epoch, 0 if not yet known."""

    submission_id: str
    status: str
    message: str = ""
    entrypoint: str = ""
    driver_node: str = ""
    started: float = 0
    ended: float = 0
    driver_exit_code: int | None = None
    job_id: str = ""  # Ray's id, once the driver has connected
    package: str = ""  # file name of its working directory's package
    installs: tuple[str, ...] = ()  # the requirements that pip installs for it

    @property
    def terminal(self) -> bool:
        """Whether the job has finished."""
        return self.status in TERMINAL


def job_of(reply: Mapping[str, Any]) -> Job:
    """A job from the JSON of `GET /api/jobs/ID`."""
    code = reply.get("driver_exit_code")
    env = mapping(reply.get("runtime_env"))
    pip = env.get("pip")
    return Job(
        submission_id=text(reply.get("submission_id")),
        status=text(reply.get("status")),
        message=text(reply.get("message")),
        entrypoint=text(reply.get("entrypoint")),
        driver_node=text(reply.get("driver_node_id")),
        started=moment(number(reply.get("start_time")) / 1000),
        ended=moment(number(reply.get("end_time")) / 1000),
        driver_exit_code=code if isinstance(code, int) else None,
        job_id=text(reply.get("job_id")),
        package=text(env.get("working_dir")).rpartition("/")[2],
        installs=tuple(texts(mapping(pip).get("packages") if isinstance(pip, dict) else pip)),
    )


def reasons(message: str) -> list[str]:
    """Why a job failed: the first line of the Job API's message, and pip's errors if a runtime env failed.

    In that case the message also contains a Ray traceback and the last 50 lines of pip's output.
    """
    lines = [line.strip() for line in message.strip().splitlines()] or [""]
    first = lines[0].split(", last available logs")[0]
    if any(word in message for word in NO_ROOM):
        return [
            first,
            "A disk is full where it ran. `python submit.py check SCRIPT` shows whether it is the head's.",
        ]
    if not first.startswith("runtime_env setup failed"):
        return [first]
    broken = [line.split("connection broken by ")[1] for line in lines if "connection broken by " in line]
    said = [*broken[-1:], *(line for line in lines if line.startswith("ERROR: "))]
    blocked = any("Tunnel connection failed: 403" in line for line in broken)
    way = [
        "The lab's egress proxy allows only public addresses. To allow other networks, set LAB_EGRESS_ALLOW in .env."
    ]
    return [first, *(f"pip: {line.removeprefix('ERROR: ')}" for line in said), *(way if blocked else [])]
