"""The line after a job in the lab: what it was denied, or whether its header declares what it used."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from anyio import fail_after

from iam.used.attribution import Attributed
from iam.used.collect import read_attributed
from iam.used.headers import HeaderAdvice, advise
from iam.used.needs import is_needed
from iam.used.table import toml_text
from raydock.errors import RaydockError
from raydock.gcp.clouds import LabCloud
from raydock.rayapi.job import Job

SECONDS = 10.0  # to read the record, if the lab does not answer
MOST = 3  # entries in the line


async def header_line(lab: LabCloud, job: Job) -> str:
    """The line, "" if there is nothing to say. A failure is not worth a message: the job has ended as it has."""
    if job.status not in ("SUCCEEDED", "FAILED"):
        return ""
    try:
        with fail_after(SECONDS):
            (attributed,) = await asyncio.to_thread(read_attributed, lab, [job.submission_id])
    except (RaydockError, TimeoutError):
        return ""
    attributed = replace(
        attributed, run=replace(attributed.run, status=job.status)
    )  # Ray's may be a little late
    return line_of(attributed, advise(attributed))


def line_of(attributed: Attributed, advice: HeaderAdvice) -> str:
    """The line for a run, "" if it declared and used nothing, or if its calls can't be told from another job's."""
    run = attributed.run
    if not attributed.complete or run.overlapping:
        return ""
    said = denied(attributed) if not run.succeeded else ""
    said = said or (accuracy(attributed, advice) if advice.declared else "")
    return f"{said}: python -m iam used {run.submission_id}" if said else ""


def denied(attributed: Attributed) -> str:
    """What a job that failed was denied. Libraries such as pyarrow report it as a missing file."""
    refused = [one for one in attributed.decisions if not one.granted and is_needed(one, attributed.run)]
    pairs = dict.fromkeys(f"{one.permission} on {one.target}" for one in refused)
    return f"The job was denied {shortened(', ', list(pairs))}" if pairs else ""


def accuracy(attributed: Attributed, advice: HeaderAdvice) -> str:
    """Whether the header declares what the job used."""
    if advice.accurate:
        used = attributed.run.succeeded and attributed.decisions
        return "The header declares exactly what the job used" if used else ""
    lacks = [f"{kind} lacks {toml_text(entry)}" for kind, entry in advice.missing]
    extra = [f"{kind} has {toml_text(entry)}, which was not used" for kind, entry in advice.unused]
    return f"The header is not accurate: {shortened('; ', [*lacks, *extra])}"


def shortened(separator: str, parts: list[str]) -> str:
    """The first parts, and how many more there are."""
    rest = [f"and {len(parts) - MOST} more"] if len(parts) > MOST else []
    return separator.join([*parts[:MOST], *rest])
