"""A control plane's answers to the metadata server (node_metadata.py): who a node is, and where to listen for nodes.

Only `cloud` can reach this server, on the network that the two services share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web


class Identities(Protocol):
    """What a control plane knows."""

    async def identity(self, address: str) -> Mapping[str, str] | None:
        """The identity of the node at an address; None if there is no such node."""

    async def cloud_addresses(self) -> Sequence[str]:
        """The addresses of `cloud` on the clusters' networks."""

    async def check(self) -> None:
        """Do nothing, unless something that this depends on does not respond."""


@dataclass(frozen=True, slots=True)
class IdentityServer:
    """GET /who?address=… : the node's identity as JSON; 404 if no node has this address.

    GET /doors: the addresses that `cloud` must listen on. GET /health. `node` describes a node; each route responds
    with a 503 to an exception in `unavailable`.
    """

    identities: Identities
    node: str
    unavailable: tuple[type[Exception], ...]

    def application(self) -> web.Application:
        """The application with its routes."""
        app = web.Application(middlewares=[self.middleware()])
        app.router.add_get("/who", self.who)
        app.router.add_get("/doors", self.doors)
        app.router.add_get("/health", self.health)
        return app

    async def who(self, request: web.Request) -> web.Response:
        """Handle /who."""
        address = request.query.get("address", "")
        found = await self.identities.identity(address)
        if address and found:
            return web.json_response(found)
        return web.Response(status=404, text=f"{address} is not a {self.node}.")

    async def doors(self, _: web.Request) -> web.Response:
        """Handle /doors."""
        return web.json_response(list(await self.identities.cloud_addresses()))

    async def health(self, _: web.Request) -> web.Response:
        """Handle /health."""
        await self.identities.check()
        return web.Response(text="ok")

    def middleware(self) -> Callable[..., Any]:
        """What turns an unavailable service into a 503."""

        @web.middleware
        async def respond(request: web.Request, handler: Any) -> web.StreamResponse:
            try:
                response: web.StreamResponse = await handler(request)
            except self.unavailable as fault:
                return web.Response(status=503, text=str(fault))
            return response

        return respond
