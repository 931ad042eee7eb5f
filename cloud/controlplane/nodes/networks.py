"""One network per cluster, which only the cluster's nodes and the lab's own services join.

On a shared network, a job could start a job on another cluster's head and thereby use its service account.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.names import short_hash

LABEL = "raydock.vertex"
SERVICES = ("cloud", "vertex")
# As in compose.yaml's x-closed.
CLOSED = {"Internal": True, "Options": {"com.docker.network.bridge.inhibit_ipv4": "true"}}
JOB_NETWORK_ONLY = frozenset({"cluster.raydock.internal"})  # aliases that belong only to the job's network
METADATA_PORT = 80
TIMEOUT = 60.0  # seconds for `cloud` to listen on a new network
Ask = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Networks:
    """The clusters' networks. `ask` calls the engine's API: method, path, accepted error statuses.

    `label` marks the networks of one kind of cluster, and `services` are connected to them.
    """

    ask: Ask
    project: str
    label: str = LABEL
    services: tuple[str, ...] = SERVICES

    def name(self, cluster: str) -> str:
        """The name of a cluster's network."""
        return f"{self.project}_ray-{short_hash(cluster)[:12]}"

    async def ensure(self, cluster: str) -> None:
        """Create the network if it is missing, connect the services, and wait until `cloud` responds there."""
        name = self.name(cluster)
        labels = {
            self.label: self.project,
            f"{self.label}.cluster": cluster,
            "com.docker.compose.project": self.project,
        }
        body = {"Name": name, "Driver": "bridge", "Labels": labels, **CLOSED}
        await self.ask("POST", "/networks/create", (409,), json=body)
        unreachable = [""]
        try:
            async with asyncio.timeout(TIMEOUT):
                while True:
                    unreachable = await self.connect_services(name)
                    if not unreachable:
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            where = unreachable[0] or "it is not running"
            text = f"The lab's cloud does not respond on the cluster's network ({where})."
            raise NodesFailed(text) from None

    async def connect_services(self, name: str) -> list[str]:
        """Connect the services' current containers. Returns where `cloud` does not listen yet; "" if it does not run.

        Called again for each check, because a new container may have replaced the one that was connected.
        """
        members = await self.members(name)
        running = {service: await self.containers(service) for service in self.services}
        for container in (one for ids in running.values() for one in ids if one not in members):
            await self.connect(name, container)
        members = await self.members(name)  # after both are connected
        addresses = [members.get(container, "") for container in running["cloud"]] or [""]
        return [one for one in addresses if not (one and await is_listening(one))]

    async def connect(self, name: str, container: str) -> None:
        """Connect a container to a network, under its aliases from the job's network."""
        about = await self.ask("GET", f"/containers/{container}/json")
        known = about["NetworkSettings"]["Networks"].get(f"{self.project}_cluster") or {}
        aliases = [alias for alias in known.get("Aliases") or () if alias not in JOB_NETWORK_ONLY]
        body = {"Container": container, "EndpointConfig": {"Aliases": aliases}}
        await self.ask("POST", f"/networks/{name}/connect", (403,), json=body)  # 403: already connected

    async def members(self, name: str) -> Mapping[str, str]:
        """The addresses of a network's running containers, by container ID."""
        about = await self.ask("GET", f"/networks/{name}", (404,))
        found = about.get("Containers") or {}
        return {container: one["IPv4Address"].partition("/")[0] for container, one in found.items()}

    async def containers(self, service: str) -> list[str]:
        """The IDs of a Compose service's running containers."""
        wanted = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        found = await self.ask("GET", "/containers/json", params={"filters": json.dumps({"label": wanted})})
        return [one["Id"] for one in found]

    async def delete(self, cluster: str) -> None:
        """Disconnect all containers and remove the network. Does nothing if it does not exist."""
        name = self.name(cluster)
        for container in await self.members(name):
            body = {"Container": container, "Force": True}
            await self.ask("POST", f"/networks/{name}/disconnect", (404, 403), json=body)
        await self.ask("DELETE", f"/networks/{name}", (404,))

    async def clusters(self) -> list[str]:
        """The clusters that have a network."""
        filters = json.dumps({"label": [f"{self.label}={self.project}"]})
        found = await self.ask("GET", "/networks", params={"filters": filters})
        return [one["Labels"][f"{self.label}.cluster"] for one in found]

    async def cloud_addresses(self) -> list[str]:
        """The addresses of `cloud` on the clusters' networks."""
        ids = await self.containers("cloud")
        networks = [await self.members(self.name(cluster)) for cluster in await self.clusters()]
        return [members[container] for members in networks for container in ids if container in members]


async def is_listening(address: str) -> bool:
    """Whether the metadata server's port accepts connections."""
    try:
        _, writer = await asyncio.open_connection(address, METADATA_PORT)
    except OSError:
        return False
    writer.close()
    return True
