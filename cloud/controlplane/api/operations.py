"""google.longrunning.Operations, for the operations on clusters. Messages are JSON at this level.

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
    """The service's methods. Each takes the caller's principal, the API version and the request; raises RpcError."""

    clusters: Clusters
    endpoint: ApiEndpoint

    def find(self, principal: str, body: Json, verb: str = "get") -> OperationRecord:
        """An operation. Raises RpcError unless the caller may do `verb` to its cluster.

        A name without the cluster stands for the location's operation with this number: inferred from the HTTP rules
        of the SDK, which have both forms.
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
        """The operation that a name denotes, in a location with its project number."""
        operations = self.clusters.store.operations
        if name.id:
            return operations.get(f"{location}/persistentResources/{name.id}/operations/{name.operation}")
        ours = (one for key, one in operations.items() if key.startswith(f"{location}/"))
        return next((one for one in ours if one.name.rpartition("/")[2] == name.operation), None)

    async def get(self, principal: str, version: str, body: Json) -> OperationRecord:
        """An operation's current state."""
        return self.find(principal, body)

    async def wait(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Wait until an operation is done, for at most its timeout or 60 s."""
        operation = self.find(principal, body)
        seconds = float(str(body.get("timeout") or f"{MAX_WAIT}s").removesuffix("s"))
        await self.clusters.wait_until_done(operation, min(MAX_WAIT, seconds))
        return operation

    async def list(self, principal: str, version: str, body: Json) -> tuple[Sequence[OperationRecord], str]:
        """One page of a location's or a cluster's operations, and the token of the next page."""
        text = body.get("name", "").removesuffix("/operations")
        name = self.endpoint.parse("name", text, names.LOCATION, names.CLUSTER)
        project = self.endpoint.permission.require(principal, "list", name)
        start = self.endpoint.location(project) + (f"/persistentResources/{name.id}/" if name.id else "/")
        operations = self.clusters.store.operations.values()
        return page([one for one in operations if one.name.startswith(start)], body)

    async def cancel(self, principal: str, version: str, body: Json) -> Json:
        """Cancel a creation. That deletes the cluster, so it requires the permission to delete."""
        self.clusters.cancel(self.find(principal, body, "delete"))
        return {}

    async def delete(self, principal: str, version: str, body: Json) -> Json:
        """Remove the record of a finished operation; its effect stays."""
        operation = self.find(principal, body, "delete")
        if operation.done:
            self.clusters.store.operations.pop(operation.name)
            self.clusters.store.save()
        return {}
