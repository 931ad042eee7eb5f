"""Maps a pod's address to its Kubernetes service account, for the metadata server.

Each request asks the engine and the API server, so a reused address or a changed annotation is never attributed to its
previous owner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from cloud.controlplane.errors import NodesFailed
from cloud.identity.identity_server import IdentityServer
from cloud.kubernetes.api import CORE, Api, NotAnswering, Rejected
from cloud.kubernetes.operator.clusters import OURS
from cloud.kubernetes.pods.containers import Containers
from cloud.kubernetes.pods.spec import Json, account_of
from kuberay.pods import ANNOTATION
from raydock.answers import mapping, text


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """`Identities` of pods: the project, the Kubernetes service account (NAMESPACE/NAME), and the Google account in
    its annotation.
    """

    api: Api
    containers: Containers
    project: str

    def application(self) -> web.Application:
        """The server for the metadata server."""
        return IdentityServer(self, "pod", (NodesFailed, NotAnswering, Rejected)).application()

    async def identity(self, address: str) -> Mapping[str, str] | None:
        """See `Identities`."""
        uids = {one.uid for one in await self.containers.list() if one.address == address}
        for pod in await self.api.listed(CORE, "pods", OURS) if uids else ():
            if pod["metadata"]["uid"] in uids:
                return await self.account(pod)
        return None

    async def account(self, pod: Json) -> Mapping[str, str]:
        """The identity of a pod."""
        space, name = pod["metadata"]["namespace"], account_of(pod)
        account = await self.api.call("GET", f"{CORE}/namespaces/{space}/serviceaccounts/{name}")
        email = text(mapping(account, "metadata", "annotations").get(ANNOTATION))
        return {"project": self.project, "workload": f"{space}/{name}", "account": email}

    async def cloud_addresses(self) -> Sequence[str]:
        """See `Identities`."""
        return await self.containers.networks.cloud_addresses()

    async def check(self) -> None:
        """See `Identities`. Asks the engine and the API server."""
        await self.containers.list()
        await self.api.call("GET", "/version")
