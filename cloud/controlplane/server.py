"""The control plane's listeners.

every network    :443   TLS: HTTP/2 is gRPC (Ray Client for a cluster's host), HTTP/1.1 REST and the dashboards
control network  :8081  gRPC without TLS, forwarded by `cloud` for its own host names
control network  :8082  nodes' identities, for the metadata server; also on loopback, for the health check
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from cloud.controlplane.api import grpc_server
from cloud.controlplane.api.methods import Services, global_services, region_services
from cloud.controlplane.api.rest import Rest
from cloud.controlplane.autoscaling.infeasible import InfeasibleLog
from cloud.controlplane.autoscaling.scaler import Autoscaler
from cloud.controlplane.endpoints import ray_client
from cloud.controlplane.endpoints.dashboard import PORT, Dashboards
from cloud.controlplane.endpoints.hosts import HOSTS, REGION_OF_HOST, REGIONS
from cloud.controlplane.endpoints.http import HttpHosts
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.nodes.node_identity import NodeIdentity
from cloud.controlplane.permission import Permission
from cloud.faults.active import Faults
from cloud.faults.control_plane import guarded
from cloud.listeners import Listeners
from cloud.network.alpn import StreamHandler, forward_to, listen

GRPC_PORT = 8081
IDENTITY_PORT = 8082
GRACE = 1.0  # seconds for open calls to finish at shutdown


@dataclass(slots=True)
class ControlPlane:
    """The API, the clusters' endpoints and their listeners."""

    clusters: Clusters
    permission: Permission
    dashboard_port: int = PORT
    client_port: int = ray_client.PORT
    autoscaler: Autoscaler | None = None
    scaling: asyncio.Future[Any] | None = None
    grpc: list[Any] = field(default_factory=list)  # servers
    port: int = 0  # the gRPC port on loopback for hosts without a region, behind the TLS listeners
    handlers: dict[str, StreamHandler] = field(default_factory=dict)  # HTTP/2 connections by host
    listeners: Listeners = field(default_factory=Listeners)
    faults: Faults = field(default_factory=Faults)
    regions: dict[str, Services] = field(init=False)

    def __post_init__(self) -> None:
        services = {one: region_services(one, self.clusters, self.permission) for one in REGIONS}
        self.regions = {region: guarded(found, self.faults) for region, found in services.items()}

    async def start(self, control: str = "") -> None:
        """Resume the clusters and start gRPC. `control` is our address on the network shared with `cloud`."""
        await self.clusters.resume()
        if self.autoscaler:
            infeasible = InfeasibleLog(self.clusters, self.autoscaler.read)
            self.scaling = asyncio.gather(self.autoscaler.run(), infeasible.run())
        own = [f"{control}:{GRPC_PORT}"] if control else []
        self.port = await self.start_grpc(global_services(self.permission), *own)
        for host, region in REGION_OF_HOST.items():
            self.handlers[host] = forward_to("127.0.0.1", await self.start_grpc(self.regions[region]))
        for host in HOSTS:
            endpoint = ray_client.RayClientEndpoint(host, self.clusters, self.permission, self.client_port)
            server, port = await endpoint.serve("127.0.0.1:0")
            self.grpc.append(server)
            self.handlers[host] = forward_to("127.0.0.1", port)
        if control:
            runner = await self.listeners.runner(NodeIdentity(self.clusters).application())
            for address in (control, "127.0.0.1"):
                await web.TCPSite(runner, address, IDENTITY_PORT).start()

    async def start_grpc(self, services: Services, *addresses: str) -> int:
        """Start a gRPC server on loopback and these addresses. Returns its port on loopback."""
        server, ports = await grpc_server.serve(services, self.permission, "127.0.0.1:0", *addresses)
        self.grpc.append(server)
        return ports[0]

    async def open(self, address: str, port: int, tls: ssl.SSLContext) -> int:
        """Open a TLS listener for callers. Returns its port."""
        dashboards = Dashboards(self.clusters, self.permission, self.dashboard_port)
        rest = {region: Rest(services, self.permission) for region, services in self.regions.items()}
        runner = await self.listeners.runner(HttpHosts(dashboards, rest).application())
        server = await listen(runner, address, port, tls, forward_to("127.0.0.1", self.port), self.handlers)
        self.listeners.servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Close all listeners and stop scaling and reconciling."""
        if self.scaling:
            self.scaling.cancel()
        await self.listeners.close()
        await asyncio.gather(*(server.stop(GRACE) for server in self.grpc))
        await self.clusters.close()
