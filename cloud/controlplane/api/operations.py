"""google.longrunning.Operations, for operations on clusters. Messages are JSON at this level.

https://github.com/googleapis/googleapis/blob/master/google/longrunning/operations.proto
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.controlplane import errors, names
from cloud.controlplane.api.endpoint import ApiEndpoint
from cloud.controlplane.api.paging import page
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.lifecycle.store import OperationRecord

Json = Mapping[str, Any]
MAX_WAIT = 60.0  # seconds, per WaitOperation


@dataclass(frozen=True, slots=True)
class OperationService:
    """The service's methods. Each takes the caller's principal, API version and request, and may raise RpcError."""

    clusters: Clusters
    endpoint: ApiEndpoint

    def find(self, principal: str, body: Json, verb: str = "get") -> OperationRecord:
        """An operation. Raises RpcError if the caller may not perform `verb` on its cluster.

        A name without a cluster refers to the operation with this number in the location. This is inferred from the
        SDK's HTTP rules, which include both forms.
        """
        name = self.endpoint.parse("name", body.get("name", ""), names.OPERATION)
        project = self.endpoint.permission.lab_state.project_named(name.project)
        found = self.numbered(name, self.endpoint.location(project)) if project else None
        target = names.parse(found.name, names.OPERATION) if found else name
        self.endpoint.permission.require(principal, verb, target if not name.id else name)
        if found is None:
            raise errors.not_found(name.text)
        return found

    def numbered(self, name: names.Name, location: str) -> OperationRecord | None:
        """The operation that a name refers to. `location` contains the project number."""
        operations = self.clusters.store.operations
        if name.id:
            return operations.get(f"{location}/persistentResources/{name.id}/operations/{name.operation}")
        ours = (one for key, one in operations.items() if key.startswith(f"{location}/"))
        return next((one for one in ours if one.name.rpartition("/")[2] == name.operation), None)

    async def get(self, principal: str, version: str, body: Json) -> OperationRecord:
        """An operation's current state."""
        return self.find(principal, body)

    async def wait(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Wait until an operation is done, for the request's timeout but no longer than 60 s."""
        operation = self.find(principal, body)
        seconds = float(str(body.get("timeout") or f"{MAX_WAIT}s").removesuffix("s"))
        await self.clusters.wait_until_done(operation, min(MAX_WAIT, seconds))
        return operation

    async def list(self, principal: str, version: str, body: Json) -> tuple[Sequence[OperationRecord], str]:
        """One page of a location's or a cluster's operations, and the next page's token."""
        text = body.get("name", "").removesuffix("/operations")
        name = self.endpoint.parse("name", text, names.LOCATION, names.CLUSTER)
        project = self.endpoint.permission.require(principal, "list", name)
        start = self.endpoint.location(project) + (f"/persistentResources/{name.id}/" if name.id else "/")
        operations = self.clusters.store.operations.values()
        return page([one for one in operations if one.name.startswith(start)], body)

    async def cancel(self, principal: str, version: str, body: Json) -> Json:
        """Cancel a creation. This deletes the cluster, so it requires permission to delete it."""
        self.clusters.cancel(self.find(principal, body, "delete"))
        return {}

    async def delete(self, principal: str, version: str, body: Json) -> Json:
        """Remove a finished operation's record. This does not undo the operation."""
        operation = self.find(principal, body, "delete")
        if operation.done:
            self.clusters.store.operations.pop(operation.name)
            self.clusters.store.save()
        return {}
