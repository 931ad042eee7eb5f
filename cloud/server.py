"""The listeners of the lab's Google Cloud: address, service and the identity that clients get.

cluster network   :80  metadata server, the job's identity     :443 Google's services   :3128 egress proxy
users network     :80  metadata server, the user's identity    :443                     :3128
other clusters    :80  metadata server, each node's identity   :443                     :3128   one network each
published         :8265 the gateway, also an HTTPS proxy to the lab for clients with the key
loopback          :8080 the health check
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from cloud.decisions.call import begin
from cloud.decisions.recorder import Recorder
from cloud.faults.active import Faults
from cloud.gateway import connect, credentials, proxy
from cloud.identity.access import Access
from cloud.identity.lab_api import PREFIX, LabApi, at_host, google
from cloud.identity.metadata import Metadata
from cloud.identity.node_metadata import Close, NodeMetadata
from cloud.identity.services import HOSTS, GoogleServices
from cloud.identity.tokens import Tokens
from cloud.lab_state import LabState
from cloud.listeners import Listeners
from cloud.network import alpn, egress, missing_services
from cloud.network.certificates import Authority
from cloud.storage.http import Storage
from cloud.storage.service import Service, open_service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOOPBACK = "127.0.0.1"
GRPC_PORT = 8081  # the Vertex AI control plane, which receives our HTTP/2 connections


@dataclass(frozen=True, slots=True)
class Network:
    """One container network: our address on it, and the identity of its containers.

    `role` is `job` (the job's identity), `user` (the user's) or `node` (the node's own, as `plane`, the host name of
    its cluster's control plane, says).
    """

    address: str
    role: str = "job"
    plane: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """How clients on this machine reach the lab's hosts: the proxy's rules, and the CA certificate to trust."""

    rules: egress.Egress
    pem: bytes


@dataclass(slots=True)
class Cloud:
    """All services and their listeners.

    `objects`: Cloud Storage's folder; `project`: the cluster's project; `record`: the permission decisions.
    """

    lab_state: LabState
    tokens: Tokens
    objects: Path
    project: str
    vertex: str = ""  # host name of the Vertex AI control plane; if empty, gRPC calls are refused
    faults: Faults = field(default_factory=Faults)  # on purpose: see cloud/faults/
    record: Recorder = field(default_factory=Recorder)
    service: Service = field(init=False)
    listeners: Listeners = field(default_factory=Listeners)  # besides those on container networks
    networks: list[Listeners] = field(default_factory=list)
    listener_sync: asyncio.Future[Any] | None = None  # opens listeners on the other clusters' networks
    gate: proxy.Gate | None = None  # once the gateway is open

    def __post_init__(self) -> None:
        self.service = open_service(self.access(), self.objects)
        self.service.faults = self.faults

    def is_key(self, text: str) -> bool:
        """Whether this is the gateway's key."""
        return self.gate is not None and credentials.key_matches(text, self.gate)

    def storage(self, access: Access) -> Storage:
        """The Cloud Storage API, enforcing `access`."""
        return Storage(replace(self.service, access=access))

    def access(self, assumed: bool = False) -> Access:
        """The permission checks. `assumed`: callers without a token act as the job."""
        return Access(self.lab_state, self.tokens, assumed, self.record)

    async def open_network(
        self, network: Network, authority: Authority, proxy_rules: egress.Egress | None = None
    ) -> Close:
        """Open all listeners on one container network, or none. Returns a function that closes them."""
        opened, address = Listeners(), network.address
        rules = replace(proxy_rules or egress.Egress(), google=address)
        tls = authority.server_context(("http/1.1", "h2"))
        try:
            await opened.listen(self.metadata_of(network, authority.pem()), address, 80)
            await opened.listen(self.services(), address, 443, tls, self.grpc())
            opened.servers.append(await egress.serve(address, 3128, allowed=rules))
        except OSError:
            await opened.close()
            raise
        self.networks.append(opened)
        return partial(self.close_network, opened)

    async def close_network(self, opened: Listeners) -> None:
        """Close the listeners of one network."""
        self.networks.remove(opened)
        await opened.close()

    def metadata_of(self, network: Network, pem: bytes) -> web.Application:
        """The metadata server for a network's containers."""
        if network.role == "node":
            handle = NodeMetadata(self.lab_state, self.tokens, network.plane).handle
            return catch_all(with_certificate(handle, network.address, 80, pem))
        principals = {"job": lambda: self.lab_state.job, "user": lambda: self.lab_state.user}
        return self.metadata(network.address, 80, principals[network.role], pem)

    def metadata(self, address: str, port: int, who: Callable[[], str], pem: bytes = b"") -> web.Application:
        """The metadata server. It also serves the CA certificate, which nodes fetch at startup."""
        metadata = Metadata(self.lab_state, self.tokens, who, self.project)
        return catch_all(with_certificate(metadata.handle, address, port, pem))

    def services(self) -> web.Application:
        """Google's services, selected by host name."""
        storage, services = self.storage(self.access()), GoogleServices(self.access(), self.is_key)

        async def handle(request: web.Request) -> web.StreamResponse:
            begin(request.remote or "", request.headers.get("User-Agent", ""))
            host = request.host.partition(":")[0].lower()
            raw = request.raw_path.partition("?")[0]
            return await at_host(storage, services, request, host, f"https://{host}", raw)

        return catch_all(handle)

    async def open_metadata(self, address: str, port: int, who: Callable[[], str]) -> None:
        """Open a metadata server outside the container networks."""
        await self.listeners.listen(self.metadata(address, port, who), address, port)

    async def open_services(self, address: str, port: int, tls: ssl.SSLContext) -> None:
        """Open Google's services outside the container networks."""
        await self.listeners.listen(self.services(), address, port, tls, self.grpc())

    async def open_emulator(self, port: int) -> None:
        """Open Cloud Storage on loopback for clients with emulator variables. Without a token, they act as the job."""
        storage, base = self.storage(self.access(assumed=True)), f"http://127.0.0.1:{port}"

        async def handle(request: web.Request) -> web.StreamResponse:
            begin(request.remote or "", request.headers.get("User-Agent", ""))
            return refuse_browser(request, port) or await storage.handle(request, base)

        await self.listeners.listen(catch_all(handle), "127.0.0.1", port)

    async def open_health(self, port: int) -> None:
        """Open the container's health check."""

        async def handle(_: web.Request) -> web.StreamResponse:
            self.service.index.bucket("")
            return web.Response(text="ok")

        await self.listeners.listen(catch_all(handle), LOOPBACK, port)

    async def open_gateway(self, gate: proxy.Gate, address: str, port: int, door: Door | None = None) -> None:
        """Open the published gateway: the dashboard, the lab API and Google's services for this machine.

        With `door` it is also a proxy: see cloud/gateway/connect.py.
        """
        self.gate = gate = replace(gate, faults=self.faults)
        lab = LabApi(self.access(), self.project, gate, door.pem if door else b"")
        mounts = {
            PREFIX: google(self.storage(self.access()), GoogleServices(self.access(), self.is_key)),
            "/lab/": lab.handle,
        }
        app = proxy.application(gate, mounts)
        if door is None:
            return await self.listeners.listen(app, address, port)
        rules = replace(door.rules, authorize=partial(connect.require_key, gate))
        runner = await self.listeners.runner(app)
        self.listeners.servers.append(await connect.listen(runner, address, port, rules.handle))

    def grpc(self) -> dict[str, alpn.StreamHandler]:
        """The gRPC handlers by host. The control plane also gets gRPC calls to the services we serve over HTTP/1.1."""
        handler = (
            alpn.forward_to(self.vertex, GRPC_PORT, missing_services.refuse_grpc)
            if self.vertex
            else missing_services.refuse_grpc
        )
        return dict.fromkeys(HOSTS | {"storage.googleapis.com"}, handler)

    async def close(self) -> None:
        """Close every listener and Cloud Storage."""
        if self.listener_sync:
            self.listener_sync.cancel()
        for opened in (self.listeners, *self.networks):
            await opened.close()
        self.record.flush()
        self.service.close()


def with_certificate(handler: Handler, address: str, port: int, pem: bytes) -> Handler:
    """A metadata server's handler that also serves the CA certificate. On loopback, it refuses browsers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if address == LOOPBACK and (refused := refuse_browser(request, port)):
            return refused
        if pem and request.path == "/raydock/ca.pem":
            return web.Response(body=pem, content_type="application/x-pem-file")
        return await handler(request)

    return handle


def refuse_browser(request: web.Request, port: int) -> web.Response | None:
    """A 403 for a request that no local program would send, for listeners that require no token.

    A web page could resolve its own name to 127.0.0.1 (DNS rebinding) or submit a form to this port.
    """
    if request.host == f"{LOOPBACK}:{port}" and "Origin" not in request.headers:
        return None
    return web.Response(status=403, text="Cross-site requests are not allowed.")


def catch_all(handler: Handler) -> web.Application:
    """An application with one handler for all methods and paths."""
    options = {"auto_decompress": False, "handler_cancellation": True}
    app = web.Application(client_max_size=16 * 2**20, handler_args=options)
    app.router.add_route("*", "/{path:.*}", handler)
    return app
