"""This service's HTTP/1.1 endpoints, selected by host: the regions' REST APIs and the clusters' dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from cloud.controlplane.api.rest import Rest
from cloud.controlplane.endpoints.dashboard import Dashboards
from cloud.controlplane.endpoints.hosts import REGION_OF_HOST
from cloud.gateway.auth import send_continue
from cloud.gateway.proxy import Gate, defer_continue, server_options, upstream


@dataclass(frozen=True, slots=True)
class HttpHosts:
    """Routes requests by host. `regions` maps each region to its REST API."""

    dashboards: Dashboards
    regions: Mapping[str, Rest]

    def application(self) -> web.Application:
        """The application that serves all hosts and paths."""
        app = web.Application(client_max_size=Gate("", "").limit, handler_args=server_options())
        app.router.add_route("*", "/{path:.*}", self.handle, expect_handler=defer_continue)
        app.cleanup_ctx.append(upstream)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Handle any request."""
        host = request.host.partition(":")[0].lower()
        if region := REGION_OF_HOST.get(host):
            await send_continue(request)
            return await self.regions[region].handle(request)
        return await self.dashboards.handle(request, host)
