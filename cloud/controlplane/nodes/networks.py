"""A network for each cluster, in which are its nodes, the service `cloud` and this one, and nobody else.

On one network for all, a job of one cluster could start a job on another's head, and so be its service account.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.names import mark

LABEL = "raydock.vertex"
SERVICES = ("cloud", "vertex")
# The same as compose.yaml's x-closed.
CLOSED = {"Internal": True, "Options": {"com.docker.network.bridge.inhibit_ipv4": "true"}}
NOT_THERE = frozenset({"cluster.raydock.internal"})  # what the services are called in the job's network alone
METADATA = 80
SECONDS = 60.0  # for `cloud` to listen in a new network
Ask = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Networks:
    """`ask` makes one call of the engine's API: method, path, statuses that are no error."""

    ask: Ask
    project: str

    def name(self, cluster: str) -> str:
        return f"{self.project}_ray-{mark(cluster)[:12]}"

    async def open(self, cluster: str) -> None:
        """Makes the network where it is missing, and brings the services into it. `cloud` answers there then."""
        name = self.name(cluster)
        labels = {
            LABEL: self.project,
            f"{LABEL}.cluster": cluster,
            "com.docker.compose.project": self.project,
        }
        body = {"Name": name, "Driver": "bridge", "Labels": labels, **CLOSED}
        await self.ask("POST", "/networks/create", (409,), json=body)
        held = await self.members(name)
        ours = {service: await self.containers(service) for service in SERVICES}
        for container in (one for ids in ours.values() for one in ids if one not in held):
            await self.connect(name, container)
        held = await self.members(name)  # both are in it before we look whether `cloud` answers there
        for container in ours["cloud"]:
            await answering(held.get(container, ""))

    async def connect(self, name: str, container: str) -> None:
        about = await self.ask("GET", f"/containers/{container}/json")
        known = about["NetworkSettings"]["Networks"].get(f"{self.project}_cluster") or {}
        aliases = [alias for alias in known.get("Aliases") or () if alias not in NOT_THERE]
        body = {"Container": container, "EndpointConfig": {"Aliases": aliases}}
        await self.ask("POST", f"/networks/{name}/connect", (403,), json=body)  # 403: it is in it already

    async def members(self, name: str) -> Mapping[str, str]:
        """Addresses of the running containers in a network, by id."""
        about = await self.ask("GET", f"/networks/{name}", (404,))
        found = about.get("Containers") or {}
        return {container: one["IPv4Address"].partition("/")[0] for container, one in found.items()}

    async def containers(self, service: str) -> list[str]:
        """The ids of a service's running containers."""
        wanted = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        found = await self.ask("GET", "/containers/json", params={"filters": json.dumps({"label": wanted})})
        return [one["Id"] for one in found]

    async def close(self, cluster: str) -> None:
        """Removes the network; nothing where there is none."""
        name = self.name(cluster)
        for container in await self.members(name):
            body = {"Container": container, "Force": True}
            await self.ask("POST", f"/networks/{name}/disconnect", (404, 403), json=body)
        await self.ask("DELETE", f"/networks/{name}", (404,))

    async def clusters(self) -> list[str]:
        """The clusters that have a network."""
        filters = json.dumps({"label": [f"{LABEL}={self.project}"]})
        found = await self.ask("GET", "/networks", params={"filters": filters})
        return [one["Labels"][f"{LABEL}.cluster"] for one in found]

    async def doors(self) -> list[str]:
        """The addresses of `cloud` in the clusters' networks."""
        ids = await self.containers("cloud")
        held = [await self.members(self.name(cluster)) for cluster in await self.clusters()]
        return [members[container] for members in held for container in ids if container in members]


async def answering(address: str) -> None:
    """Until `cloud` listens there. NodesFailed after a minute."""
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                if address and await listens(address):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        text = f"The lab's cloud does not answer in the cluster's network ({address or 'it is not in it'})."
        raise NodesFailed(text) from None


async def listens(address: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(address, METADATA)
    except OSError:
        return False
    writer.close()
    return True
