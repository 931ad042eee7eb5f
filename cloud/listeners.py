"""What listens on one network, and stops together."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from cloud.network import alpn, missing_services

BACKLOG = 512


class Closable(Protocol):
    """What listens, and can stop."""

    def close(self) -> None:
        """Stop listening."""


@dataclass(slots=True, eq=False)
class Listeners:
    """Listeners that are closed together. `runners` hold the applications, `servers` what listens without a site."""

    runners: list[web.AppRunner] = field(default_factory=list)
    servers: list[Closable] = field(default_factory=list)

    async def listen(
        self,
        app: web.Application,
        address: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        grpc: Mapping[str, alpn.StreamHandler] | None = None,
    ) -> None:
        """Serve an application; with `tls`, HTTP/2 connections go to the gRPC handlers, which are by host name."""
        runner = await self.runner(app)
        if tls:
            refuse = missing_services.refuse_grpc
            self.servers.append(await alpn.listen(runner, address, port, tls, refuse, grpc))
        else:
            await web.TCPSite(runner, address, port, backlog=BACKLOG).start()

    async def runner(self, app: web.Application) -> web.AppRunner:
        """An application's runner, ready for connections; `close` cleans it up."""
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2)
        await runner.setup()
        self.runners.append(runner)
        return runner

    async def close(self) -> None:
        """Close all of them."""
        while self.servers:
            self.servers.pop(0).close()
        while self.runners:
            await self.runners.pop(0).cleanup()
