"""The lab's Google Cloud as listeners: which door answers what, to whom, as whom.

cluster network   :80  metadata server, jobs' identity      :443 Google's services   :3128 the way out
people network    :80  metadata server, the person's        :443                     :3128
Vertex's clusters :80  metadata server, each node's own     :443                     :3128   a network each
published         :8265 the gateway
own loopback      :8080 the health check
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from aiohttp import web

from cloud.gateway import proxy
from cloud.identity.access import Access
from cloud.identity.lab_api import PREFIX, LabApi, at_host, google
from cloud.identity.metadata import Metadata
from cloud.identity.node_metadata import Close, NodeMetadata
from cloud.identity.services import HOSTS, GoogleServices
from cloud.identity.tokens import Tokens
from cloud.lab_state import LabState
from cloud.network import alpn, egress, missing_services
from cloud.network.certificates import Authority
from cloud.storage.http import Storage
from cloud.storage.service import Service, open_service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BACKLOG = 512
LOOPBACK = "127.0.0.1"
GRPC_PORT = 8081  # of Vertex's control plane, where what reaches us as HTTP/2 is passed on


@dataclass(frozen=True, slots=True)
class Network:
    """One network of containers: our address in it, and who its containers are.

    job: the job's identity; person: the person's; node: nodes of Vertex's clusters, each as its own cluster.
    """

    address: str
    role: str = "job"


@dataclass(slots=True)
class Cloud:
    """Everything behind the doors. `objects`: the folder of storage; `project`: the one that the cluster belongs to."""

    world: LabState
    tokens: Tokens
    objects: Path
    project: str
    vertex: str = ""  # name of Vertex's control plane; without one, gRPC finds nobody here
    service: Service = field(init=False)
    runners: list[web.AppRunner] = field(default_factory=list)
    servers: list[asyncio.Server] = field(default_factory=list)
    following: asyncio.Task[None] | None = None  # what opens doors in the networks of Vertex's clusters

    def __post_init__(self) -> None:
        self.service = open_service(self.access(), self.objects)

    def storage(self, access: Access) -> Storage:
        return Storage(replace(self.service, access=access))

    def access(self, assumed: bool = False) -> Access:
        return Access(self.world, self.tokens, assumed)

    async def open_network(
        self, network: Network, authority: Authority, way_out: egress.Egress | None = None
    ) -> Close:
        """All doors in one network of containers; what closes them."""
        runners, servers = len(self.runners), len(self.servers)
        principals = {"job": lambda: self.world.job, "person": lambda: self.world.person}
        if network.role == "node":
            await self.open_node_metadata(network.address, 80, authority.pem())
        else:
            await self.open_metadata(network.address, 80, principals[network.role], authority.pem())
        await self.open_services(network.address, 443, authority.server_context(("http/1.1", "h2")))
        rules = replace(way_out or egress.Egress(), google=network.address)
        self.servers.append(await egress.serve(network.address, 3128, allowed=rules))
        return partial(self.shut, self.runners[runners:], self.servers[servers:])

    async def shut(self, runners: list[web.AppRunner], servers: list[asyncio.Server]) -> None:
        """Closes these doors."""
        for server in servers:
            server.close()
            self.servers.remove(server)
        for runner in runners:
            await runner.cleanup()
            self.runners.remove(runner)

    async def open_metadata(self, address: str, port: int, who: Callable[[], str], pem: bytes = b"") -> None:
        """The metadata server; beside it, for nodes that start, the certificate to trust."""
        metadata = Metadata(self.world, self.tokens, who, self.project)
        await self.listen(catching_all(told(metadata.handle, address, port, pem)), address, port)

    async def open_node_metadata(self, address: str, port: int, pem: bytes) -> None:
        """The same for the nodes of Vertex's clusters."""
        metadata = NodeMetadata(self.world, self.tokens, self.vertex)
        await self.listen(catching_all(told(metadata.handle, address, port, pem)), address, port)

    async def open_services(self, address: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Google's hosts by their names."""
        storage, services = self.storage(self.access()), GoogleServices(self.access())

        async def handle(request: web.Request) -> web.StreamResponse:
            host = request.host.partition(":")[0].lower()
            raw = request.raw_path.partition("?")[0]
            return await at_host(storage, services, request, host, f"https://{host}", raw)

        await self.listen(catching_all(handle), address, port, tls)

    async def open_emulator(self, port: int) -> None:
        """Storage on loopback for clients with emulator variables, which send no token: taken for the job."""
        storage, base = self.storage(self.access(assumed=True)), f"http://127.0.0.1:{port}"

        async def handle(request: web.Request) -> web.StreamResponse:
            return foreign(request, port) or await storage.handle(request, base)

        await self.listen(catching_all(handle), "127.0.0.1", port)

    async def open_own(self, port: int) -> None:
        """The health check of the container."""

        async def handle(_: web.Request) -> web.StreamResponse:
            self.service.index.bucket("")
            return web.Response(text="ok")

        await self.listen(catching_all(handle), LOOPBACK, port)

    async def open_gateway(self, gate: proxy.Gate, address: str, port: int) -> None:
        """The published door: the dashboard, the lab and Google's services for this machine."""
        lab = LabApi(self.access(), self.project, gate)
        mounts = {
            PREFIX: google(self.storage(self.access()), GoogleServices(self.access())),
            "/lab/": lab.handle,
        }
        await self.listen(proxy.application(gate, mounts), address, port)

    async def listen(
        self, app: web.Application, address: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2)
        await runner.setup()
        self.runners.append(runner)
        if tls:
            self.servers.append(
                await alpn.listen(runner, address, port, tls, missing_services.refuse, self.grpc())
            )
        else:
            await web.TCPSite(runner, address, port, ssl_context=tls, backlog=BACKLOG).start()

    def grpc(self) -> dict[str, alpn.Pass]:
        """Where gRPC goes, by host: the services that we have too are Vertex's to answer."""
        passed = (
            alpn.to(self.vertex, GRPC_PORT, missing_services.refuse)
            if self.vertex
            else missing_services.refuse
        )
        return dict.fromkeys(HOSTS | {"storage.googleapis.com"}, passed)

    async def close(self) -> None:
        if self.following:
            self.following.cancel()
        await self.shut(list(self.runners), list(self.servers))
        self.service.close()


def told(handler: Handler, address: str, port: int, pem: bytes) -> Handler:
    """The metadata server's handler, and beside it the certificate to trust."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if address == LOOPBACK and (refused := foreign(request, port)):
            return refused
        if pem and request.path == "/raydock/ca.pem":
            return web.Response(body=pem, content_type="application/x-pem-file")
        return await handler(request)

    return handle


def foreign(request: web.Request, port: int) -> web.Response | None:
    """The refusal of what no program of this machine sends, at a door that asks for no token.

    A page in a browser could have its name resolve to 127.0.0.1, or send a form here.
    """
    if request.host == f"{LOOPBACK}:{port}" and "Origin" not in request.headers:
        return None
    return web.Response(status=403, text="Not from here.")


def catching_all(handler: Handler) -> web.Application:
    """An application with one handler for every method and path."""
    options = {"auto_decompress": False, "handler_cancellation": True}
    app = web.Application(client_max_size=16 * 2**20, handler_args=options)
    app.router.add_route("*", "/{path:.*}", handler)
    return app
