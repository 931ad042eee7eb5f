"""Maps a node's address to its cluster. The metadata server uses this to return the cluster's identity.

Each request queries the engine, so a reused address is never attributed to its previous container.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.identity.identity_server import IdentityServer


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """`Identities` of the nodes of Vertex AI's clusters: the cluster's principal and project."""

    clusters: Clusters

    def application(self) -> web.Application:
        """The server for the metadata server."""
        return IdentityServer(self, "cluster node", (NodesFailed,)).application()

    async def identity(self, address: str) -> Mapping[str, str] | None:
        """See `Identities`."""
        for one in await self.clusters.nodes.list():
            cluster = self.clusters.store.clusters.get(one.key.cluster)
            if cluster and one.address == address:
                return {"principal": cluster.principal, "project": cluster.project}
        return None

    async def cloud_addresses(self) -> Sequence[str]:
        """See `Identities`."""
        return await self.clusters.nodes.cloud_addresses()

    async def check(self) -> None:
        """See `Identities`. Asks the engine."""
        await self.clusters.nodes.list()
