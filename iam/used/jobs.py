"""Runs of jobs on the local cluster: when, on which nodes, with which arguments, and what their headers declare."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raydock.answers import mapping, parsed, rows, text, texts
from raydock.errors import NotFound
from raydock.gcp.clouds import LabCloud
from raydock.rayapi import paths
from raydock.rayapi.connection import Gateway
from raydock.rayapi.job import Job, job_of

SUBMITTER = "raydock"
DECLARED = "declares"  # the name in a job's metadata under which the submitter sends what the header declares

LOOKS_UP = "looks_up_buckets"  # … and that its source looks up buckets
EDGE = 2.5  # seconds: see `overlap`


@dataclass(frozen=True, slots=True)
class Declared:
    """The `reads` and `writes` of a script's header.

    defaults: what their arguments stand for if they are not given, by entry, as far as the source determines it
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, list[str]]:
        """The entries as plain data."""
        return {"reads": list(self.reads), "writes": list(self.writes)}

    def encoded(self) -> str:
        """The value as text, in which the submitter sends it in the job's metadata; "" if nothing is declared."""
        if not self.reads and not self.writes:
            return ""
        return json.dumps({**self.as_json(), "defaults": dict(self.defaults)}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job. `ended` is now if it is still running. `declared` is None if the submitter did not send it.

    variables: those sent with the job
    looks_up: whether its source looks up buckets; True if unknown
    overlapping: the other jobs that ran at the same time
    """

    submission_id: str
    status: str
    started: float
    ended: float
    script: str = ""
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    declared: Declared | None = None
    looks_up: bool = True
    overlapping: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether it finished successfully."""
        return self.status == "SUCCEEDED"


@dataclass(frozen=True, slots=True)
class ClusterRuns:
    """Some runs, and the addresses of the cluster's nodes, past and present."""

    runs: tuple[JobRun, ...]
    nodes: frozenset[str]


def read_runs(lab: LabCloud, ids: Sequence[str]) -> ClusterRuns:
    """Read runs from the dashboard. Raises NotFound, ServerError and Unreachable."""
    from raydock.rayapi.blocking import local

    key = lab.headers.get("Authorization", "").partition(" ")[2]
    with local(Gateway(lab.gateway, key)) as dashboard:
        jobs = rows(dashboard.json(paths.JOBS, list))
        listed = dashboard.json(paths.state("nodes"))
    nodes = rows(mapping(listed, "data", "result").get("result"))
    addresses = frozenset(filter(None, (text(node.get("node_ip")) for node in nodes)))
    return ClusterRuns(tuple(find_run(jobs, one, time.time()) for one in ids), addresses)


def find_run(jobs: Sequence[Mapping[str, Any]], submission_id: str, now: float) -> JobRun:
    """The run with that id among the dashboard's jobs. Raises NotFound if it does not exist or has not started."""
    row = next((one for one in jobs if one.get("submission_id") == submission_id), None)
    if row is None:
        text = f"The local cluster has no job {submission_id}: a cluster forgets its jobs when it restarts."
        raise NotFound(text, "python submit.py list")
    job = job_of(row)
    if not job.started:
        raise NotFound(f"Job {submission_id} has not started.", f"python submit.py attach {submission_id}")
    ended = job.ended or now
    others = (job_of(one) for one in jobs if one is not row)
    overlapping = (one for one in others if one.started and overlap(one, job.started, ended, now))
    return run_of(row, job, ended, tuple(one.submission_id or f"Ray job {one.job_id}" for one in overlapping))


def overlap(other: Job, started: float, ended: float, now: float) -> bool:
    """Whether another job ran in a period.

    Ray records a job's end up to two seconds late, and a job makes no calls in its first second. Jobs that run one
    after the other therefore seem to overlap a little.
    """
    other_ended = other.ended or now
    if other.started < started:
        return other_ended > started + EDGE
    return other.started <= ended and (other_ended <= ended or other.started < ended - EDGE)


def run_of(row: Mapping[str, Any], job: Job, ended: float, overlapping: tuple[str, ...]) -> JobRun:
    """The run in one of the dashboard's rows."""
    script, *arguments = words_of(job.entrypoint) or [""]
    variables, metadata = mapping(row.get("runtime_env"), "env_vars"), mapping(row.get("metadata"))
    return JobRun(
        submission_id=job.submission_id,
        status=job.status,
        started=job.started,
        ended=ended,
        script=script,
        arguments=tuple(arguments),
        variables={name: text(value) for name, value in variables.items()},
        declared=declared_of(metadata),
        looks_up=metadata.get("submitter") != SUBMITTER or LOOKS_UP in metadata,
        overlapping=overlapping,
    )


def words_of(entrypoint: str) -> list[str]:
    """The script and the arguments of `python SCRIPT ARGUMENTS`; empty for any other entrypoint."""
    try:
        program, *words = shlex.split(entrypoint) or [""]
    except ValueError:
        return []
    return words if program.startswith("python") else []


def declared_of(metadata: Mapping[str, Any]) -> Declared | None:
    """What a job's header declares; None if our submitter did not send the job."""
    if metadata.get("submitter") != SUBMITTER:
        return None
    try:
        sent = mapping(parsed(text(metadata.get(DECLARED)).encode(errors="replace") or b"{}"))
    except ValueError:
        return None
    defaults = {name: text(value) for name, value in mapping(sent.get("defaults")).items()}
    return Declared(tuple(texts(sent.get("reads"))), tuple(texts(sent.get("writes"))), defaults)
