"""The line after a job in the lab: whether its header declares what it used."""

from __future__ import annotations

import asyncio

from iam.used.attribution import Attributed
from iam.used.collect import read_attributed
from iam.used.headers import HeaderAdvice, advise
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
        reading = asyncio.to_thread(read_attributed, lab, [job.submission_id])
        (attributed,) = await asyncio.wait_for(reading, SECONDS)
    except (RaydockError, TimeoutError, asyncio.TimeoutError):
        return ""
    return line_of(attributed, advise(attributed))


def line_of(attributed: Attributed, advice: HeaderAdvice) -> str:
    """The line for a run. None if it declared and used nothing, or if its calls can't be told from another job's."""
    run = attributed.run
    silent = not attributed.complete or run.overlapping or not advice.declared
    if silent or not (advice.missing or advice.unused or (run.succeeded and attributed.decisions)):
        return ""
    more = f"python -m iam used {run.submission_id}"
    if advice.accurate:
        return f"The header declares exactly what the job used: {more}"
    lacks = [f"{kind} lacks {toml_text(entry)}" for kind, entry in advice.missing]
    extra = [f"{kind} has {toml_text(entry)}, which was not used" for kind, entry in advice.unused]
    parts = [*lacks, *extra]
    rest = f"; and {len(parts) - MOST} more" if len(parts) > MOST else ""
    return f"The header is not accurate: {'; '.join(parts[:MOST])}{rest}: {more}"
