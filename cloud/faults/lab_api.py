"""Starts, lists and ends faults, for callers that have the cluster key: routes of the lab API.

GET    /lab/faults            the active faults
POST   /lab/faults            {"fault": {...}, "seconds": 300} starts one: see raydock/faults.py
DELETE /lab/faults?id=ID&...  ends these faults; without an ID, all of them

If refused, the response body contains a `reason`: invalid or unknown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from cloud.faults.active import ActiveFault, Faults
from cloud.google_errors import ApiError
from cloud.json_body import read_json
from cloud.lab_state import LabState
from raydock.answers import number
from raydock.faults import MAX_SECONDS, Fault, from_json

PATH = "/lab/faults"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class FaultsApi:
    """The routes. `lab_state` has the buckets that a fault may name."""

    faults: Faults
    lab_state: LabState

    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """The handlers by method and path."""
        return {("GET", PATH): self.show, ("POST", PATH): self.start, ("DELETE", PATH): self.end}

    async def show(self, _: web.Request) -> web.Response:
        """The active faults."""
        return self.answer(self.faults.active())

    async def start(self, request: web.Request) -> web.Response:
        """Start a fault."""
        try:
            body = await read_json(request.content.iter_any(), request.headers.get("Content-Encoding", ""))
            fault, seconds = self.wanted(body)
            return self.answer([self.faults.add(fault, seconds)])
        except ValueError as problem:
            return refused(400, "invalid", str(problem))
        except ApiError as problem:
            return refused(problem.status, problem.reason, problem.message)

    def wanted(self, body: Mapping[str, Any]) -> tuple[Fault, float]:
        """The requested fault and its duration. Raises ValueError, or ApiError for an unknown bucket."""
        document, seconds = body.get("fault"), number(body.get("seconds"))
        if not isinstance(document, dict):
            raise ValueError("The body has no fault.")
        if not 0 < seconds <= MAX_SECONDS:
            raise ValueError(f"A fault lasts more than 0 and at most {MAX_SECONDS:g} seconds.")
        fault = from_json(document)
        if fault.bucket and fault.bucket not in self.lab_state.buckets:
            raise ApiError(404, "unknown", f"Bucket {fault.bucket[:100]} does not exist in the lab.")
        return fault, seconds

    async def end(self, request: web.Request) -> web.Response:
        """End faults."""
        try:
            return self.answer(self.faults.clear(request.query.getall("id", [])))
        except LookupError as unknown:
            return refused(404, "unknown", f"No fault has the ID {str(unknown.args[0])[:50]!r}.")

    def answer(self, found: Iterable[ActiveFault]) -> web.Response:
        """Faults as JSON, with the seconds left."""
        now = self.faults.clock()
        rows = [
            {
                "id": one.id,
                "fault": one.fault.as_json(),
                "seconds_left": max(0.0, one.until - now),
                "calls": one.calls,
                "hits": one.hits,
            }
            for one in found
        ]
        return web.json_response({"faults": rows})


def refused(status: int, reason: str, message: str) -> web.Response:
    """The response to a refused request."""
    return web.json_response({"error": {"reason": reason, "message": message}}, status=status)
