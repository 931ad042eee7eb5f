"""Changes the account that the running lab's jobs run as.

Ray's nodes ask the metadata server for a new token about once an hour, and it can't tell one job from another. The
account is therefore changed only while no job is running, unless the caller forces it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from cloud.gateway.gate import Gate
from cloud.gateway.job_limit import active
from cloud.gateway.proxy import UPSTREAM
from cloud.google_errors import ApiError
from cloud.json_body import read_json
from cloud.lab_state import LabState
from iam.policy.principal import is_service_agent


@dataclass(frozen=True, slots=True)
class JobAccount:
    """A lab's job principal. `gate` provides the dashboard that lists the jobs, and the lock that blocks new ones."""

    lab_state: LabState
    gate: Gate

    async def handle(self, request: web.Request) -> web.Response:
        """Change the account.

        If refused, the response body contains a `reason`: invalid, unknown, set, running or unavailable.
        """
        try:
            body = await read_json(request.content.iter_any(), request.headers.get("Content-Encoding", ""))
            await self.change(request.app[UPSTREAM], body)
        except ApiError as refusal:
            error = {"reason": refusal.reason, "message": refusal.message}
            return web.json_response({"error": error}, status=refusal.status)
        return web.json_response({"job": self.lab_state.job})

    async def change(self, session: aiohttp.ClientSession, body: Mapping[str, Any]) -> None:
        """Change the account. Raises ApiError with one of the reasons above."""
        account, force = body.get("account"), body.get("force", False)
        if not isinstance(account, str) or not isinstance(force, bool):
            raise ApiError(400, "invalid", 'The body must be {"account": EMAIL, "force": true or false}.')
        if account not in self.lab_state.accounts and not is_service_agent(account):
            raise ApiError(404, "unknown", f"Service account {account[:200]} does not exist in the lab.")
        if self.lab_state.job_is_set:
            job = self.lab_state.job.removeprefix("serviceAccount:")
            raise ApiError(409, "set", f"LAB_SERVICE_ACCOUNT is set: jobs run as {job}.")
        async with self.gate.job_limit.lock:  # while it is held, the head accepts no jobs
            if not force:
                await self.require_idle(session)
            self.lab_state.choose_job(account)

    async def require_idle(self, session: aiohttp.ClientSession) -> None:
        """Raise ApiError if a job is pending or running, or if the dashboard does not list its jobs."""
        try:
            running = await active(session, self.gate.dashboard)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise ApiError(
                503, "unavailable", "Could not get the list of jobs from Ray's dashboard."
            ) from None
        jobs = sum(one.submitted for one in running) + self.gate.job_limit.starting
        if jobs:
            raise ApiError(409, "running", f"{jobs} {'job is' if jobs == 1 else 'jobs are'} running.")
