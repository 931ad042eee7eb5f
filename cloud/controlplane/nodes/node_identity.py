"""Which cluster's node has this address: what the metadata server asks, to answer as the node's identity.

The engine is asked each time, so an address that another container has by now is never taken for the old one's.
It answers on the network that this service shares with `cloud` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from cloud.controlplane.clusters import Clusters
from cloud.controlplane.errors import NodesFailed


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """GET /who?address=… : the principal of the node and its project; 404 where it is no node.

    GET /doors: where `cloud` is to listen for nodes.
    """

    clusters: Clusters

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/who", self.handle)
        app.router.add_get("/doors", self.doors)
        app.router.add_get("/health", self.health)
        return app

    async def handle(self, request: web.Request) -> web.Response:
        address = request.query.get("address", "")
        try:
            seen = await self.clusters.nodes.list()
        except NodesFailed as fault:
            return web.Response(status=503, text=str(fault))
        for one in seen:
            cluster = self.clusters.store.clusters.get(one.key.cluster)
            if cluster and one.address and one.address == address:
                return web.json_response({"principal": cluster.principal, "project": cluster.project})
        return web.Response(status=404, text=f"{address} is no node of a cluster.")

    async def doors(self, _: web.Request) -> web.Response:
        """The addresses of `cloud` in the clusters' networks, where it answers as each node's identity."""
        try:
            return web.json_response(list(await self.clusters.nodes.doors()))
        except NodesFailed as fault:
            return web.Response(status=503, text=str(fault))

    async def health(self, _: web.Request) -> web.Response:
        try:
            await self.clusters.nodes.list()
        except NodesFailed as fault:
            return web.Response(status=503, text=str(fault))
        return web.Response(text="ok")
