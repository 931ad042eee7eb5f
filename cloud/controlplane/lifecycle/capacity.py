"""The number of nodes that fit on this machine, across all clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.controlplane import errors
from cloud.controlplane.lifecycle.store import Store
from cloud.controlplane.nodes.node_sizing import ClusterShape, nodes

UNLIMITED = 10_000


@dataclass(slots=True)
class Capacity:
    """The limit on the total number of nodes in the store's clusters; 0 for no limit."""

    store: Store
    limit: int = 0

    def require(self, name: str, spec: Mapping[str, Any]) -> None:
        """Raise RpcError (RESOURCE_EXHAUSTED) if a cluster's nodes do not fit in addition to all others."""
        others = [one for one in self.store.clusters.values() if one.name != name]
        total = sum(len(nodes(one.shape)) for one in others) + len(nodes(ClusterShape(name, spec)))
        if self.limit and total > self.limit:
            raise errors.quota_exceeded(total, self.limit)

    def room(self) -> int:
        """The number of additional nodes that fit."""
        used = sum(len(nodes(one.shape)) for one in self.store.clusters.values())
        return max(0, self.limit - used) if self.limit else UNLIMITED
