"""The lab API, for callers that have the cluster key: identities, and access tokens for the user.

GET  /lab/       the user's principal, the job's principal, the project and the buckets
POST /lab/token  an access token for the user, like `gcloud auth print-access-token` on Google Cloud
GET  /lab/ca.pem the CA certificate of the lab's services, for clients that reach them through the gateway's proxy
POST /lab/job    {"account": EMAIL, "force": false} sets the service account that jobs run as
GET  /lab/decisions?since=TIME&until=TIME  the recorded permission decisions between two Unix times
/lab/faults      faults on purpose: see cloud/faults/lab_api.py
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from cloud.decisions.call import GATEWAY, begin
from cloud.faults.lab_api import FaultsApi
from cloud.gateway import auth, credentials
from cloud.gateway.gate import Gate
from cloud.identity.access import Access
from cloud.identity.job_account import JobAccount
from cloud.identity.services import GoogleServices
from cloud.storage.http import Storage

PREFIX = "/google/"  # followed by host and path: Google's services for this machine, through the gateway
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class LabApi:
    """The API behind the gateway. It accepts only the key, not a session. `pem`: the CA certificate."""

    access: Access
    project: str
    gate: Gate
    pem: bytes = b""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Handle any path under /lab/."""
        if not credentials.key_matches(credentials.bearer(request), self.gate):
            return auth.request_key(request)
        routes: dict[tuple[str, str], Handler] = {
            ("GET", "/lab/"): self.describe,
            ("POST", "/lab/token"): self.token,
            ("POST", "/lab/job"): JobAccount(self.access.lab_state, self.gate).handle,
            ("GET", "/lab/decisions"): self.decisions,
            **FaultsApi(self.gate.faults, self.access.lab_state).routes(),
        }
        if self.pem:
            routes[("GET", "/lab/ca.pem")] = self.certificate
        handler = routes.get((request.method, request.path))
        return await handler(request) if handler else no_such(request)

    async def certificate(self, _: web.Request) -> web.Response:
        """The CA certificate."""
        return web.Response(body=self.pem, content_type="application/x-pem-file")

    async def describe(self, _: web.Request) -> web.Response:
        """The lab's identities, project and buckets."""
        lab_state = self.access.lab_state
        description = {
            "user": lab_state.user,
            "job": lab_state.job,
            "project": self.project,
            "project_number": str(lab_state.number(self.project)),
            "buckets": {name: holder.project for name, holder in lab_state.buckets.items()},
        }
        return web.json_response(description)

    async def decisions(self, request: web.Request) -> web.Response:
        """The recorded permission decisions. Times that are missing or invalid don't limit them."""
        since, until = (
            seconds(request.query.get(name, ""), at) for name, at in (("since", 0), ("until", math.inf))
        )
        return web.json_response(await self.access.record.between(since, until))

    async def token(self, _: web.Request) -> web.Response:
        """An access token for the user, with its remaining lifetime in seconds."""
        token, expires = self.access.tokens.mint(self.access.lab_state.user)
        expires_in = max(1, int(expires - time.time()))
        return web.json_response(
            {"access_token": token, "expires_in": expires_in, "token_type": "Bearer"},
            headers={"Cache-Control": "no-store"},
        )


def seconds(text: str, default: float) -> float:
    """A Unix time; the default if the text is not one."""
    try:
        found = float(text)
    except ValueError:
        return default
    return default if math.isnan(found) else found


def no_such(request: web.Request) -> web.Response:
    """The 404 for any other path."""
    return web.Response(status=404, text=f"The lab has no route {request.path}.\n")


def google(storage: Storage, services: GoogleServices) -> Handler:
    """A handler for Google's services under PREFIX. Each call needs a token from the lab."""

    async def handle(request: web.Request) -> web.StreamResponse:
        begin(GATEWAY)
        raw = request.raw_path.partition("?")[0]
        host, slash, path = raw.removeprefix(PREFIX).partition("/")
        base = f"{request.scheme}://{request.host}{PREFIX}{host}"
        return await at_host(storage, services, request, host, base, slash + path)

    return handle


async def at_host(
    storage: Storage, services: GoogleServices, request: web.Request, host: str, base: str, raw: str
) -> web.StreamResponse:
    """Dispatch a request by host. www.googleapis.com serves the Cloud Storage API too."""
    if host == "storage.googleapis.com" or (host == "www.googleapis.com" and not raw.startswith("/oauth2/")):
        return await storage.handle(request, base, raw)
    return await services.handle(request, host, raw)
