"""`--probe`: a small job on the cluster asks Google which permissions its own identity has.

Its source is part of the entrypoint, so nothing is packaged. It uses only the standard library.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iam.policy.required_permissions import RequiredPermission
from raydock.errors import ServerError, Unreachable
from raydock.rayapi.dashboard import Dashboard

from ..follow.log import Log
from ..plan import new_submission_id
from ..results import result

SOURCE = Path(__file__).with_name("probe_job.py")
TIMEOUT = 60.0  # seconds


async def probe(dashboard: Dashboard, required: Sequence[RequiredPermission]) -> dict[str, Any]:
    """Run the probe: {"principal": ..., "held": {bucket: [permission, ...]}}. Raises ServerError, Unreachable."""
    permissions: dict[str, list[str]] = {}
    for need in required:
        permissions.setdefault(need.bucket, []).extend(need.permissions)
    submission_id = new_submission_id("probe.py")
    words = ["python", "-c", SOURCE.read_text(encoding="utf-8"), json.dumps(permissions)]
    body = {
        "submission_id": submission_id,
        "entrypoint": shlex.join(words),
        "metadata": {"submitter": "raydock"},
    }
    await dashboard.submit(body)
    log = await wait_for_log(dashboard, submission_id)
    answer = parse_log(log)
    if answer is None:
        last_line = log.strip().splitlines()[-1:] or ["it printed nothing"]
        raise ServerError(
            f"Probe {submission_id} could not determine which identity it runs as: {last_line[0]}.",
            "omit --probe",
        )
    return answer


def parse_log(log: str) -> dict[str, Any] | None:
    """The result that the probe printed; None if it printed none."""
    lines = Log(lambda chunk: None)
    lines.take_text(log)
    lines.end()
    value = result.parse(lines.result) if lines.result else None
    valid = value and isinstance(value.get("principal"), str) and isinstance(value.get("held"), dict)
    return dict(value) if value and valid else None


async def wait_for_log(dashboard: Dashboard, submission_id: str) -> str:
    """Wait for the job to finish and return its log. Raises Unreachable after TIMEOUT seconds."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        log = await dashboard.logs(submission_id)
        job = await dashboard.job(submission_id)
        if parse_log(log) or (job and job.terminal):
            return log
        await asyncio.sleep(0.1)
    raise Unreachable(
        f"Probe {submission_id} did not finish within {TIMEOUT:g} s.",
        f"python submit.py logs {submission_id}",
    )
