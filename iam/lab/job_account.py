"""Changes the account that jobs in the running lab run as. The server side is cloud/identity/job_account.py."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from iam.errors import IamError
from raydock.answers import mapping, parsed, text
from raydock.errors import NotFound, PermissionDenied, Unreachable
from raydock.gcp.clouds import SECONDS, LabCloud, http


def use(lab: LabCloud, account: str, force: bool) -> None:
    """Change the service account that jobs in the lab run as.

    Raises NotFound for an unknown account, PermissionDenied if jobs are running or if LAB_SERVICE_ACCOUNT is set, and
    Unreachable if the lab or its dashboard does not answer.
    """
    status, reply = asyncio.run(send(lab, {"account": account, "force": force}))
    if status == 200:
        return
    error = mapping(reply.get("error"))
    raise refusal(text(error.get("reason")), text(error.get("message")) or f"HTTP {status}", account)


async def send(lab: LabCloud, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Send the request. Returns the status and the JSON object of the response."""
    import httpx

    from raydock.rayapi import no_answer

    try:
        async with http(lab) as client:
            url = f"{lab.gateway}/lab/job"
            reply = await client.post(url, json=body, headers=dict(lab.headers), timeout=2 * SECONDS)
    except httpx.HTTPError as fault:
        why = no_answer.reason(fault, 2 * SECONDS)
        raise Unreachable(f"The lab's cloud does not answer: {why}.", "make cluster-up") from None
    try:
        return reply.status_code, mapping(parsed(reply.content))
    except ValueError:
        return reply.status_code, {}


def refusal(reason: str, message: str, account: str) -> Exception:
    """The error for the lab's refusal."""
    command = f"python -m iam account use {account}"
    if reason == "running":
        text = f"{message} New access tokens would be for {account}, so nothing was changed."
        return PermissionDenied(
            text,
            f"wait until all jobs have finished (python submit.py list), or switch now: {command} --force",
        )
    if reason == "set":
        fix = (
            f"remove it from .env and run make cluster-up, or: LAB_SERVICE_ACCOUNT={account} make cluster-up"
        )
        return PermissionDenied(message, fix)
    if reason == "unknown":
        return NotFound(message, "python -m iam account list")
    if reason == "unavailable":
        text = f"{message} It is therefore unknown whether jobs are running, and nothing was changed."
        return Unreachable(text, f"try again, or switch anyway: {command} --force")
    return IamError(f"The lab did not change the account that jobs run as: {message}", "make cluster-up")
