"""A client for the lab API, which is open only to the cluster's key. The server side is cloud/identity/lab_api.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydock.answers import mapping, parsed
from raydock.errors import PermissionDenied, Unreachable

NO_ROUTE = "The lab has no route"  # cloud/identity/lab_api.py
UPDATE = "make cluster-up"
SECONDS = 10.0


class LabOutdated(Unreachable):
    """The running lab was started from an older checkout, which lacks what was requested."""


@dataclass(frozen=True, slots=True)
class LabRequest:
    """One request to the lab API. `body` is sent as JSON; without `seconds`, the response may take 10 s."""

    method: str
    path: str
    body: Any = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LabResponse:
    """The lab's response."""

    status: int
    content: bytes

    @property
    def body(self) -> Mapping[str, Any]:
        """The JSON object, {} if the content is something else."""
        try:
            return mapping(parsed(self.content))
        except ValueError:
            return {}

    @property
    def error(self) -> Mapping[str, Any]:
        """The reason and the message of a refusal."""
        return mapping(self.body.get("error"))


async def send(client: Any, gateway: str, headers: Mapping[str, str], request: LabRequest) -> LabResponse:
    """Send a request with an httpx.AsyncClient. Returns the response, whatever its status.

    Raises PermissionDenied if the key is rejected, LabOutdated if the lab does not know the path, and Unreachable if
    it does not answer.
    """
    import httpx

    from raydock.rayapi import no_answer

    seconds = SECONDS if request.seconds is None else request.seconds
    try:
        reply = await client.request(
            request.method,
            gateway + request.path,
            json=request.body,
            headers=dict(headers),
            timeout=seconds,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise no_response(gateway, no_answer.reason(fault, seconds)) from None
    if reply.status_code == 401:
        raise PermissionDenied(
            "The lab's cloud rejected this checkout's key.", "make cluster-down cluster-up"
        )
    if reply.status_code == 404 and reply.text.startswith(NO_ROUTE):
        raise LabOutdated("The running lab is older than this checkout.", UPDATE)
    return LabResponse(reply.status_code, reply.content)


def no_response(gateway: str, why: str) -> Unreachable:
    """The error if the lab gave no usable response."""
    return Unreachable(f"The lab's cloud at {gateway} does not answer: {why}.", "make cluster-up")
