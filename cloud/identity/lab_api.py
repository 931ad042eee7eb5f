"""What the lab tells whoever holds its key: who is who, and tokens for the person who uses this machine.

GET  /lab/       the projects, the person, the principal of jobs
POST /lab/token  an access token of the person: what `gcloud auth print-access-token` is elsewhere
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from cloud.gateway import auth
from cloud.gateway.auth import Gate
from cloud.identity.access import Access
from cloud.identity.services import GoogleServices
from cloud.storage.http import Storage

PREFIX = "/google/"  # + host + path: Google's services for programs of this machine, through the gateway
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class LabApi:
    """Behind the gateway, for its key alone. `project` is the one that the cluster belongs to."""

    access: Access
    project: str
    gate: Gate

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any path below /lab/."""
        if not auth.key_matches(auth.bearer(request), self.gate):
            return auth.request_key(request)
        answers = {("GET", "/lab/"): self.describe, ("POST", "/lab/token"): self.token}
        answer = answers.get((request.method, request.path))
        return answer() if answer else web.Response(status=404, text=f"The lab has no {request.path}.\n")

    def describe(self) -> web.Response:
        lab_state = self.access.lab_state
        told = {
            "person": lab_state.person,
            "job": lab_state.job,
            "project": self.project,
            "project_number": str(lab_state.number(self.project)),
            "buckets": {name: holder.project for name, holder in lab_state.buckets.items()},
        }
        return web.json_response(told)

    def token(self) -> web.Response:
        token, expires = self.access.tokens.mint(self.access.lab_state.person)
        lasts = max(1, int(expires - time.time()))
        return web.json_response(
            {"access_token": token, "expires_in": lasts, "token_type": "Bearer"},
            headers={"Cache-Control": "no-store"},
        )


def google(storage: Storage, services: GoogleServices) -> Handler:
    """Google's services under one path of the gateway, each call with a token of the lab."""

    async def handle(request: web.Request) -> web.StreamResponse:
        raw = request.raw_path.partition("?")[0]
        host, slash, path = raw.removeprefix(PREFIX).partition("/")
        base = f"{request.scheme}://{request.host}{PREFIX}{host}"
        return await at_host(storage, services, request, host, base, slash + path)

    return handle


async def at_host(
    storage: Storage, services: GoogleServices, request: web.Request, host: str, base: str, raw: str
) -> web.StreamResponse:
    """A request to one of Google's hosts. www.googleapis.com has storage's API too."""
    if host == "storage.googleapis.com" or (host == "www.googleapis.com" and not raw.startswith("/oauth2/")):
        return await storage.handle(request, base, raw)
    return await services.handle(request, host, raw)
