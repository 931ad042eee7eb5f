"""Decides whether `up` must restart the nodes, and which jobs that would kill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.errors import InUse
from cluster.state.applied import Changes
from cluster.status import Member
from raydock.answers import rows
from raydock.errors import Unavailable
from raydock.rayapi import blocking, paths
from raydock.rayapi.connection import Gateway
from raydock.rayapi.job import TERMINAL
from raydock.terminal.commandline import line

SHOWN = 5


def reasons(changed: Changes, build: bool, asked: bool) -> str:
    """Why the nodes of an existing cluster must be restarted, or "" if a restart is not needed."""
    why = [f"{', '.join(changed.nodes)} changed"] if changed.nodes else []
    why += ["the images will be rebuilt"] if build else []
    return " and ".join(why) or ("--restart was given" if asked else "")


def outdated_nodes(outdated: Sequence[str], members: Sequence[Member]) -> str:
    """Why nodes that an older version of the code started must be restarted, or "" if there are none."""
    pools = [name for name in outdated if any(member.pool == name for member in members)]
    return f"the code of {', '.join(pools)} changed" if pools else ""


def require_idle(
    why: str, members: Sequence[Member], dashboard: Gateway, words: Sequence[str], instead: str = ""
) -> None:
    """Raise InUse, which lists the jobs, if any job is running.

    `words` are the arguments to repeat in the fix, which ends with `instead`.
    """
    if not any(member.running for member in members):
        return
    running = jobs(dashboard)
    if running:
        raise InUse(
            f"The nodes must be restarted because {why}, but that would kill {running}. Nothing was changed.",
            f"Wait for the jobs to finish, or kill them: {line('python -m cluster', [*words, '--restart'])}{instead}",
        )


def jobs(dashboard: Gateway) -> str:
    """Describe the running jobs, or return "" if there are none. If they can't be listed, some may be running."""
    try:
        listed = rows(blocking.get(dashboard, paths.JOBS, list))
    except Unavailable as fault:
        return f"any running jobs (could not list them: {fault.message.rstrip('.')})"
    found = [name(job) for job in listed if job.get("status") not in TERMINAL]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    noun = "job" if len(found) == 1 else "jobs"
    return f"the {noun} {', '.join(found[:SHOWN])}{more}" if found else ""


def name(job: Mapping[str, object]) -> str:
    """The job's id. Interactive drivers have one too."""
    return str(job.get("submission_id") or job.get("job_id") or "a driver")
