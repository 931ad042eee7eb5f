"""Maps a node's address to its cluster. The metadata server uses this to return the cluster's identity.

Each request queries the engine, so a reused address is never attributed to its previous container. Only `cloud` can
reach this server, on the network that the two services share.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.lifecycle.clusters import Clusters


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """GET /who?address=… : the node's principal and project; 404 if no node has this address.

    GET /doors: the addresses that `cloud` must listen on.
    """

    clusters: Clusters

    def application(self) -> web.Application:
        """The application with its routes."""
        app = web.Application()
        app.router.add_get("/who", self.handle)
        app.router.add_get("/doors", self.doors)
        app.router.add_get("/health", self.health)
        return app

    async def handle(self, request: web.Request) -> web.Response:
        """Handle /who. Returns 503 if the engine does not respond."""
        address = request.query.get("address", "")
        try:
            seen = await self.clusters.nodes.list()
        except NodesFailed as fault:
            return web.Response(status=503, text=str(fault))
        for one in seen:
            cluster = self.clusters.store.clusters.get(one.key.cluster)
            if cluster and one.address and one.address == address:
                return web.json_response({"principal": cluster.principal, "project": cluster.project})
        return web.Response(status=404, text=f"{address} is not a cluster node.")

    async def doors(self, _: web.Request) -> web.Response:
        """Handle /doors: the addresses of `cloud` on the clusters' networks, as JSON."""
        try:
            return web.json_response(list(await self.clusters.nodes.cloud_addresses()))
        except NodesFailed as fault:
            return web.Response(status=503, text=str(fault))

    async def health(self, _: web.Request) -> web.Response:
        """Handle /health: healthy while the engine responds."""
        try:
            await self.clusters.nodes.list()
        except NodesFailed as fault:
            return web.Response(status=503, text=str(fault))
        return web.Response(text="ok")
