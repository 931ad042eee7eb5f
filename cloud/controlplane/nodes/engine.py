"""Runs nodes as containers, through the Docker engine's HTTP API.

A node matches those in compose.yaml: image, user, network settings, limits and environment. Labels identify its
cluster, so a restarted control plane finds it; Compose's own labels let `make cluster-down` remove it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.names import head_host, short_hash
from cloud.controlplane.nodes import images
from cloud.controlplane.nodes.docker_api import DockerApi
from cloud.controlplane.nodes.hardened import Container, compose_labels, container_state, inherited
from cloud.controlplane.nodes.networks import LABEL, Networks
from cloud.controlplane.nodes.nodes import NodeKey, NodeSpec, ObservedNode
from raydock import versions

GIB = 2**30
SERVICE = "vertex-node"  # its service name in Compose's labels


@dataclass(frozen=True, slots=True)
class ContainerNodes:
    """`Nodes` on the Docker engine. `project` is the nodes' Compose project."""

    socket: str
    project: str
    prefix: str  # image name prefix
    environ: Mapping[str, str]
    images: Mapping[str, str] = field(default_factory=dict)  # local images by requested image

    @property
    def docker(self) -> DockerApi:
        """The engine."""
        return DockerApi(self.socket)

    @property
    def networks(self) -> Networks:
        """The clusters' networks."""
        return Networks(self.docker.ask, self.project)

    async def capacity(self) -> int:
        """The number of nodes that fit on this machine: one per GiB of memory."""
        return await self.docker.memory() // GIB

    async def ensure_network(self, cluster: str) -> None:
        """See `Nodes`."""
        await self.networks.ensure(cluster)

    async def delete_network(self, cluster: str) -> None:
        """See `Nodes`."""
        await self.networks.delete(cluster)

    async def networked(self) -> Sequence[str]:
        """See `Nodes`."""
        return await self.networks.clusters()

    async def cloud_addresses(self) -> Sequence[str]:
        """See `Nodes`."""
        return await self.networks.cloud_addresses()

    async def create(self, node: NodeSpec) -> None:
        """See `Nodes`."""
        await self.docker.start(self.container(node.key), self.body(node))

    async def list(self) -> Sequence[ObservedNode]:
        """See `Nodes`."""
        found = await self.docker.labeled(f"{LABEL}={self.project}")
        return [observed_node(one, self.networks) for one in found]

    async def remove(self, keys: Sequence[NodeKey]) -> None:
        """See `Nodes`."""
        await asyncio.gather(*(self.docker.end(self.container(key)) for key in keys))
        left = {one.key for one in await self.list()} & set(keys) if keys else set()
        if left:
            raise NodesFailed(f"Could not remove {len(left)} containers.")

    def container(self, key: NodeKey) -> str:
        """The container's name. A hash distinguishes clusters with the same ID in different regions or projects."""
        identifier = key.cluster.rpartition("/")[2]
        return f"{self.project}-{identifier}-{short_hash(key.cluster)[:6]}-{key.pool}-{key.number}"

    def body(self, node: NodeSpec) -> dict[str, Any]:
        """The request to create a container."""
        head = node.role == "head"
        return Container(
            image=self.image(node),
            command=[node.role, f"--labels={ray_labels(node)}"],
            role="head" if head else "worker",
            memory=node.memory,
            network=self.networks.name(node.key.cluster),
            environment=self.environment(node),
            labels=self.labels(node),
            aliases=[head_host(node.key.cluster)] if head else [],
        ).body()

    def image(self, node: NodeSpec) -> str:
        """See `Nodes`."""
        return self.images.get(node.image) or f"{self.prefix}/{node.role}:{versions.RAY}"

    def environment(self, node: NodeSpec) -> dict[str, str]:
        """A node's environment; see docker/node.py."""
        host = head_host(node.key.cluster)
        return inherited(self.environ, host) | {
            "RAYDOCK_HEAD": f"{host}:6379",
            "RAYDOCK_CPUS": str(node.cpus),
            "RAYDOCK_GPUS": str(node.gpus),
            "RAYDOCK_GPU": "simulated",
            **({"RAYDOCK_NOTICE": notice} if (notice := images.notice(node.image, self.image(node))) else {}),
        }

    def labels(self, node: NodeSpec) -> dict[str, str]:
        """A container's labels: the lab's own identify the node, and Compose's make it part of the project."""
        return {
            LABEL: self.project,
            f"{LABEL}.cluster": node.key.cluster,
            f"{LABEL}.pool": node.key.pool,
            f"{LABEL}.number": str(node.key.number),
            f"{LABEL}.principal": node.principal,
            **compose_labels(self.project, SERVICE, node.key.number + 1),
        }


def ray_labels(node: NodeSpec) -> str:
    """Ray's node labels, like those that docker/node.py sets, but with the pool's own name."""
    gpu = {"gpu": "simulated"} if node.gpus and node.role == "gpu-worker" else {}
    return ",".join(f"{key}={value}" for key, value in {"pool": node.key.pool, **gpu}.items())


def observed_node(container: Mapping[str, Any], networks: Networks) -> ObservedNode:
    """The node that a container in the engine's list runs."""
    labels = container["Labels"]
    key = NodeKey(labels[f"{LABEL}.cluster"], labels[f"{LABEL}.pool"], int(labels[f"{LABEL}.number"]))
    status, state = container["Status"], container["State"]
    endpoint = (container["NetworkSettings"]["Networks"] or {}).get(networks.name(key.cluster)) or {}
    kind = container_state(status, state)
    return ObservedNode(key, kind, endpoint.get("IPAddress", ""), labels[f"{LABEL}.principal"], status)
