"""`--probe`: a small job on the cluster asks Google, with its own credentials, what it may do.

Its source travels in the entrypoint, so that nothing is packaged. It uses the standard library alone.
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

from .follow.log import Log
from .plan import new_submission_id
from .results import result

SOURCE = Path(__file__).with_name("probe_job.py")
SECONDS = 60.0


async def probe(dashboard: Dashboard, needs: Sequence[RequiredPermission]) -> dict[str, Any]:
    """{"principal": ..., "held": {bucket: [permission, ...]}}. Raises ServerError, Unreachable."""
    asked: dict[str, list[str]] = {}
    for need in needs:
        asked.setdefault(need.bucket, []).extend(need.permissions)
    submission_id = new_submission_id("probe.py")
    words = ["python", "-c", SOURCE.read_text(encoding="utf-8"), json.dumps(asked)]
    body = {
        "submission_id": submission_id,
        "entrypoint": shlex.join(words),
        "metadata": {"submitter": "raydock"},
    }
    await dashboard.submit(body)
    log = await ended(dashboard, submission_id)
    found = answer_in(log)
    if found is None:
        told = log.strip().splitlines()[-1:] or ["it wrote nothing"]
        raise ServerError(
            f"The probe {submission_id} did not learn who it runs as: {told[0]}.", "leave --probe out"
        )
    return found


def answer_in(log: str) -> dict[str, Any] | None:
    """What the probe printed; None where it did not come to that."""
    seen = Log(lambda chunk: None)
    seen.take_text(log)
    seen.end()
    value = result.parse(seen.result) if seen.result else None
    known = value and isinstance(value.get("principal"), str) and isinstance(value.get("held"), dict)
    return dict(value) if value and known else None


async def ended(dashboard: Dashboard, submission_id: str) -> str:
    """The log of the job once it has ended. Unreachable where it has not within a minute."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        log = await dashboard.logs(submission_id)
        job = await dashboard.job(submission_id)
        if answer_in(log) or (job and job.terminal):
            return log
        await asyncio.sleep(0.1)
    raise Unreachable(
        f"The probe {submission_id} did not end within {SECONDS:g} s.",
        f"python submit.py logs {submission_id}",
    )
