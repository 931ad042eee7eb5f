"""Settings of the cloud, all from the environment. compose.yaml and the processes cluster set them.

LAB_FILE             the lab's world, default iam/lab.yaml
LAB_STATE            folder for what has to outlive a restart: policies, the secret, certificates
LAB_OBJECTS          folder for buckets and objects, default LAB_STATE/objects
LAB_DASHBOARD        base URL of the Ray dashboard behind the gateway
LAB_KEY_SHA256       SHA-256 of the gateway's key, in hexadecimal; empty: the one that LAB_STATE keeps, if any
LAB_JOBS             jobs that the head runs at a time; 0: no limit; empty: what LAB_HEAD_MEMORY holds
LAB_HEAD_MEMORY      the head's memory, in Docker's units (900m, 3g); empty: unknown, so there is no limit
LAB_PROJECT          the project that the cluster belongs to, default lab-project
LAB_SERVICE_ACCOUNT  address of the account that jobs run as, default: lab.yaml's `job`
LAB_WAY_OUT          networks that jobs may reach besides public addresses: 10.0.0.0/8,192.168.1.0/24
LAB_VERTEX           name of Vertex's control plane, where there is one
LAB_TOKEN_TTL        seconds that an access token lasts, default 3600
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud.gateway.job_limit import jobs_in
from iam.errors import IamError
from iam.lab import Network, settings
from raydock.units import size


@dataclass(frozen=True, slots=True)
class CloudSettings:
    lab: Path
    state: Path
    objects: Path
    dashboard: str
    key_sha256: str
    project: str
    job: str
    token_seconds: float
    way_out: tuple[Network, ...] = ()
    vertex: str = ""
    jobs: int = 0


def read(environ: Mapping[str, str]) -> CloudSettings:
    """Raises IamError for a setting that can't be used, naming it."""
    chosen = settings(environ)
    state = Path(environ.get("LAB_STATE") or "/var/lib/raydock")
    return CloudSettings(
        lab=chosen.file,
        state=state,
        objects=Path(environ.get("LAB_OBJECTS") or state / "objects"),
        dashboard=environ.get("LAB_DASHBOARD") or "http://head:8265",
        key_sha256=environ.get("LAB_KEY_SHA256", ""),
        project=chosen.project,
        job=chosen.service_account,
        token_seconds=chosen.token_seconds,
        way_out=chosen.way_out,
        vertex=environ.get("LAB_VERTEX", ""),
        jobs=jobs(environ.get("LAB_JOBS", ""), environ.get("LAB_HEAD_MEMORY", "")),
    )


def jobs(most: str, memory: str) -> int:
    """How many jobs at a time; 0 for no limit. IamError for a text that is no number."""
    if most:
        if not re.fullmatch("[0-9]{1,6}", most):
            raise IamError(f"LAB_JOBS is {most!r}.", "Make it a number of jobs, or leave it out")
        return int(most)
    if not memory:
        return 0
    try:
        return jobs_in(size(memory))
    except ValueError:
        raise IamError(f"LAB_HEAD_MEMORY is {memory!r}.", "Make it a size such as 900m or 3g") from None
