"""The nodes of clusters: what is to run, what does, and the one interface to where they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NodeKey:
    """Which node: the persistent resource's name, the pool's id, and a number within the pool from 0."""

    cluster: str
    pool: str
    number: int


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to make. `memory` is in bytes; a head has no CPUs."""

    key: NodeKey
    role: str  # head, cpu-worker or gpu-worker
    principal: str  # who its jobs are
    cpus: int
    gpus: int
    memory: int


@dataclass(frozen=True, slots=True)
class ObservedNode:
    """A node that is there. `why` says more of its `state`.

    made: not started, since whoever made it was killed before that; starting; ready: a job would run on it now; failed.
    """

    key: NodeKey
    state: str
    address: str  # in its cluster's network; empty before it has one
    principal: str
    why: str = ""


class Nodes(Protocol):
    """Where nodes run. Each raises NodesFailed with a sentence for the cluster's owner."""

    async def room(self) -> int:
        """How many nodes there may be, of all clusters together."""

    async def open(self, cluster: str) -> None:
        """Makes the cluster's network, or mends it; again and again is fine."""

    async def close(self, cluster: str) -> None:
        """Removes the cluster's network, which has no nodes any more."""

    async def opened(self) -> Sequence[str]:
        """The clusters that have a network."""

    async def doors(self) -> Sequence[str]:
        """The addresses of the lab's cloud in the clusters' networks."""

    async def make(self, node: NodeSpec) -> None:
        """Makes it where it is not there, and starts it where it was not started. It need not be ready then."""

    async def list(self) -> Sequence[ObservedNode]:
        """All nodes of this lab, also those whose cluster nobody remembers."""

    async def remove(self, keys: Sequence[NodeKey]) -> None:
        """Ends these and waits until they are gone; nothing for those that are not there."""
