"""The clusters' nodes, desired and observed, and the interface for running them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NodeKey:
    """A node's identity: the persistent resource's name, the pool's ID and the node's number in the pool, from 0."""

    cluster: str
    pool: str
    number: int


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to create. `memory` is in bytes; a head has 0 CPUs. `image` is the requested one."""

    key: NodeKey
    role: str  # head, cpu-worker or gpu-worker
    principal: str  # its jobs' identity
    cpus: int
    gpus: int
    memory: int
    image: str = ""


@dataclass(frozen=True, slots=True)
class ObservedNode:
    """An existing node. `why` explains its `state`, which is one of:

    made (created but not started, because the control plane was killed in between), starting, ready (a job would run
    on it now) or failed.
    """

    key: NodeKey
    state: str
    address: str  # on its cluster's network; empty until it has one
    principal: str
    why: str = ""


class Nodes(Protocol):
    """Runs nodes. Each method raises NodesFailed with a message for the cluster's owner."""

    async def capacity(self) -> int:
        """The maximum number of nodes, across all clusters."""

    async def ensure_network(self, cluster: str) -> None:
        """Create or repair the cluster's network. Idempotent."""

    async def delete_network(self, cluster: str) -> None:
        """Remove the cluster's network, which no longer has any nodes."""

    async def networked(self) -> Sequence[str]:
        """The clusters that have a network."""

    async def cloud_addresses(self) -> Sequence[str]:
        """The addresses of the lab's cloud on the clusters' networks."""

    def image(self, node: NodeSpec) -> str:
        """The local image that runs on a node."""

    async def create(self, node: NodeSpec) -> None:
        """Create the node if it does not exist and start it if it is not started. Does not wait until it is ready."""

    async def list(self) -> Sequence[ObservedNode]:
        """All of the lab's nodes, including those of unknown clusters."""

    async def remove(self, keys: Sequence[NodeKey]) -> None:
        """Stop these nodes and wait until they are removed. Ignores nodes that do not exist."""
