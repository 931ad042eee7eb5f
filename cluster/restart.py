"""When `up` has to restart the nodes, why, and what would end with them."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.applied import Changes
from cluster.errors import InUse
from cluster.status import Member
from raydock.commandline import line
from raydock.rayapi import nodes
from raydock.rayapi.job import TERMINAL
from raydock.rayapi.nodes import Gateway

SHOWN = 5


def reasons(changed: Changes, build: bool, asked: bool) -> str:
    """Why the nodes of a cluster that is here have to be restarted; "" where they need not."""
    why = [f"{', '.join(changed.nodes)} changed"] if changed.nodes else []
    why += ["its images are built again"] if build else []
    return " and ".join(why) or ("you asked for it" if asked else "")


def require_idle(why: str, members: Sequence[Member], dashboard: Gateway, words: Sequence[str]) -> None:
    """Returns where no job runs. InUse, which names the jobs, for a cluster with some; `words` are the command's."""
    if not any(member.running for member in members):
        return
    running = jobs(dashboard)
    if running:
        raise InUse(
            f"The nodes have to be restarted, since {why}, and that would end {running}. Nothing was touched.",
            f"Wait until nothing runs there, or end it: {line('python -m cluster', [*words, '--restart'])}",
        )


def jobs(dashboard: Gateway) -> str:
    """What runs there, in words; "" for nothing. Whatever can't be asked may run something."""
    try:
        told = nodes.get(dashboard, "/api/jobs/")
        found = [name(job) for job in told if job.get("status") not in TERMINAL]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        return f"whatever runs there: the dashboard does not say ({nodes.reason(error)})"
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    jobs = "job" if len(found) == 1 else "jobs"
    return f"the {jobs} {', '.join(found[:SHOWN])}{more}" if found else ""


def name(job: dict[str, object]) -> str:
    """The id of a job; drivers that somebody runs by hand have one too."""
    return str(job.get("submission_id") or job.get("job_id") or "a driver")
