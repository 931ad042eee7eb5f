"""Long-running operations: started by a request, completed by the task that does the work."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

from cloud.controlplane.lifecycle.resource import resource
from cloud.controlplane.lifecycle.store import ClusterRecord, OperationRecord, Store


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of all clusters."""

    store: Store
    serial: Any = field(default_factory=lambda: itertools.count(time.time_ns() // 1000))

    def start(self, verb: str, cluster: ClusterRecord, version: str) -> OperationRecord:
        """Record a new operation on a cluster."""
        now = cluster.updated = time.time()
        name = f"{cluster.name}/operations/{next(self.serial)}"
        operation = OperationRecord(name, verb, cluster.name, version, now, now)
        self.store.operations[name] = operation
        self.store.save()
        return operation

    def open(self, cluster: str) -> list[OperationRecord]:
        """A cluster's unfinished operations."""
        return [one for one in self.store.operations.values() if one.cluster == cluster and not one.done]

    def end(self, operation: OperationRecord, code: str, error: str) -> None:
        """Mark an operation as done; `code` is the name of its error's status code, or ""."""
        operation.done, operation.updated = True, time.time()
        operation.code, operation.error = code, error

    def finish(self, cluster: ClusterRecord, error: str = "") -> None:
        """Complete the cluster's open operations, with an error if one is given."""
        for operation in self.open(cluster.name):
            operation.result = resource(cluster)
            self.end(operation, "INTERNAL" if error else "", error)
        self.store.save()
