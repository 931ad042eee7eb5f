"""Maps a pod's address to its Kubernetes service account, for the metadata server.

Each request asks the engine and the API server, so a reused address or a changed annotation is never attributed to its
previous owner. Only `cloud` can reach this server, on the network that the two services share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from cloud.controlplane.errors import NodesFailed
from cloud.kubernetes.api import CORE, Api, NotAnswering, Rejected
from cloud.kubernetes.operator.clusters import OURS
from cloud.kubernetes.pods.containers import Containers
from cloud.kubernetes.pods.spec import account_of
from kuberay.pods import ANNOTATION
from raydock.answers import mapping, text


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """GET /who?address=…, /doors and /health, as cloud/controlplane/nodes/node_identity.py has them.

    /who returns the project, the Kubernetes service account (NAMESPACE/NAME) and the Google account in its annotation.
    """

    api: Api
    containers: Containers
    project: str

    def application(self) -> web.Application:
        """The application with its routes."""
        app = web.Application(middlewares=[unavailable])
        app.router.add_get("/who", self.handle)
        app.router.add_get("/doors", self.doors)
        app.router.add_get("/health", self.health)
        return app

    async def handle(self, request: web.Request) -> web.Response:
        """Handle /who."""
        address = request.query.get("address", "")
        uids = {one.uid for one in await self.containers.list() if address and one.address == address}
        for pod in await self.api.listed(CORE, "pods", OURS) if uids else ():
            if pod["metadata"]["uid"] in uids:
                return web.json_response(await self.identity(pod))
        return web.Response(status=404, text=f"{address} is not a pod.")

    async def identity(self, pod: Mapping[str, Any]) -> dict[str, str]:
        """The identity of a pod."""
        space, name = pod["metadata"]["namespace"], account_of(pod)
        account = await self.api.call("GET", f"{CORE}/namespaces/{space}/serviceaccounts/{name}")
        email = text(mapping(account, "metadata", "annotations").get(ANNOTATION))
        return {"project": self.project, "workload": f"{space}/{name}", "account": email}

    async def doors(self, _: web.Request) -> web.Response:
        """Handle /doors: the addresses of `cloud` on the clusters' networks, as JSON."""
        return web.json_response(list(await self.containers.networks.cloud_addresses()))

    async def health(self, _: web.Request) -> web.Response:
        """Handle /health: healthy while the engine and the API server respond."""
        await self.containers.list()
        await self.api.call("GET", "/version")
        return web.Response(text="ok")


@web.middleware
async def unavailable(request: web.Request, handler: Any) -> web.StreamResponse:
    """503 if the engine or the API server does not respond."""
    try:
        response: web.StreamResponse = await handler(request)
    except (NodesFailed, NotAnswering, Rejected) as fault:
        return web.Response(status=503, text=str(fault))
    return response
