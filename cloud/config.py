"""The cloud's settings, read from the environment. compose.yaml and the processes cluster set them.

LAB_FILE             the lab's initial state, default iam/lab.yaml
LAB_STATE            folder for data that survives a restart: policies, the token secret, certificates
LAB_OBJECTS          folder for buckets and objects, default LAB_STATE/objects
LAB_DASHBOARD        base URL of the Ray dashboard behind the gateway
LAB_KEY_SHA256       SHA-256 of the gateway's key, in hexadecimal; empty: the one saved in LAB_STATE, if any
LAB_JOBS             maximum number of concurrent jobs on the head; 0: no limit; empty: derived from LAB_HEAD_MEMORY
LAB_HEAD_MEMORY      the head's memory, in Docker's units (900m, 3g); empty: unknown, so no limit
LAB_PROJECT          the cluster's project, default lab-project
LAB_SERVICE_ACCOUNT  email of the service account that jobs run as, default: the one chosen in the running lab, else
                     lab.yaml's `job`
LAB_EGRESS_ALLOW     networks that jobs may reach in addition to public addresses: 10.0.0.0/8,192.168.1.0/24
                     (LAB_WAY_OUT, its old name, is read for one more release)
LAB_VERTEX           host name of the Vertex AI control plane; empty if none is running
LAB_KUBERNETES       host name of KubeRay's controller; empty if none is running
LAB_TOKEN_TTL        lifetime of an access token in seconds, default 3600
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud.gateway.job_limit import jobs_that_fit
from iam.errors import IamError
from iam.lab.settings import Network, settings
from raydock.units import size


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """The parsed settings; see the module's docstring for their meaning."""

    lab: Path
    state: Path
    objects: Path
    dashboard: str
    key_sha256: str
    project: str
    job: str
    token_seconds: float
    egress_allow: tuple[Network, ...] = ()
    vertex: str = ""
    kubernetes: str = ""
    jobs: int = 0


def read(environ: Mapping[str, str]) -> CloudSettings:
    """Read the settings. Raises IamError for an invalid value; its message includes the setting."""
    chosen = settings(environ)
    state = state_folder(environ)
    return CloudSettings(
        lab=chosen.file,
        state=state,
        objects=Path(environ.get("LAB_OBJECTS") or state / "objects"),
        dashboard=environ.get("LAB_DASHBOARD") or "http://head:8265",
        key_sha256=environ.get("LAB_KEY_SHA256", ""),
        project=chosen.project,
        job=chosen.service_account,
        token_seconds=chosen.token_seconds,
        egress_allow=chosen.egress_allow,
        vertex=environ.get("LAB_VERTEX", ""),
        kubernetes=environ.get("LAB_KUBERNETES", ""),
        jobs=jobs(environ.get("LAB_JOBS", ""), environ.get("LAB_HEAD_MEMORY", "")),
    )


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder with the lab's state, which the Vertex AI control plane also reads."""
    return Path(environ.get("LAB_STATE") or "/var/lib/raydock")


def jobs(limit: str, memory: str) -> int:
    """The maximum number of concurrent jobs; 0 for no limit. Raises IamError for an invalid value."""
    if limit:
        if not re.fullmatch("[0-9]{1,6}", limit):
            raise IamError(
                f"Invalid value for LAB_JOBS: {limit!r}.", "Set it to a number of jobs, or unset it"
            )
        return int(limit)
    if not memory:
        return 0
    try:
        return jobs_that_fit(size(memory))
    except ValueError:
        raise IamError(
            f"Invalid value for LAB_HEAD_MEMORY: {memory!r}.", "Set it to a size such as 900m or 3g"
        ) from None
