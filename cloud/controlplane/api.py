"""The API's methods: permissions, validation and responses. Messages are JSON at this level.

https://cloud.google.com/vertex-ai/docs/reference/rpc/google.cloud.aiplatform.v1beta1#persistentresourceservice
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cloud.controlplane import errors, names, validation
from cloud.controlplane.clusters import Clusters
from cloud.controlplane.errors import RpcError
from cloud.controlplane.permission import Permission
from cloud.controlplane.resource import resource
from cloud.controlplane.store import OperationRecord
from iam.policy import resource as resources
from iam.policy.principal import code_agent

Json = Mapping[str, Any]
T = TypeVar("T")
PAGE, LARGEST_PAGE = 50, 100  # default and maximum entries per page
MAX_OPERATION_WAIT = 60.0  # seconds, per WaitOperation
MAX_GET_WAIT = 120.0  # seconds, per Get
OUTPUT = ("name", "state", "error", "create_time", "start_time", "update_time", "resource_runtime")


@dataclass(frozen=True, slots=True)
class ClusterService:
    """The API's methods. Each takes the caller's principal, the API version and the request; raises RpcError."""

    clusters: Clusters
    permission: Permission
    # (principal, cluster) of creators that have not called Get yet
    awaiting_first_get: set[tuple[str, str]] = field(default_factory=set)

    async def create(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Start creating a cluster."""
        parent = names.parse(body.get("parent", ""), 2)
        project = self.permission.require(principal, "create", parent)
        identifier = body.get("persistent_resource_id", "")
        spec = {key: value for key, value in body.get("persistent_resource", {}).items() if key not in OUTPUT}
        if problems := validation.problems(identifier, spec):
            raise errors.invalid(problems)
        for number, pool in enumerate(spec["resource_pools"]):
            pool.setdefault("id", f"pool-{number}")
        identity = self.identity(principal, project, spec)
        name = f"{self.location(project, parent)}/persistentResources/{identifier}"
        operation = self.clusters.create(name, spec, project, identity, version)
        self.awaiting_first_get.add((principal, name))
        return operation

    def identity(self, principal: str, project: str, spec: Json) -> str:
        """The principal of the cluster's jobs: its service account, or the project's Custom Code Service Agent."""
        account = (spec["resource_runtime_spec"].get("service_account_spec") or {}).get("service_account", "")
        if account:
            self.permission.require_acting_as(principal, account)
        agent = code_agent(str(self.permission.lab_state.number(project)))
        return f"serviceAccount:{account or agent}"

    def location(self, project: str, name: names.Name) -> str:
        """A location's name with the project number, as in responses."""
        return f"projects/{self.permission.lab_state.number(project)}/locations/{name.region}"

    def own_name(self, principal: str, verb: str, text: str) -> str:
        """A persistent resource's name with the project number. Raises RpcError unless the caller may do `verb`."""
        name = names.parse(text, 3)
        project = self.permission.require(principal, verb, name)
        return f"{self.location(project, name)}/persistentResources/{name.id}"

    async def get(self, principal: str, version: str, body: Json) -> Json:
        """A cluster's current state. The creator's first call waits until the cluster is ready.

        `vertex_ray.create_ray_cluster` calls Get immediately and then sleeps for 150 s before the next call.
        """
        cluster = self.clusters.named(self.own_name(principal, "get", body.get("name", "")))
        if (principal, cluster.name) in self.awaiting_first_get:
            self.awaiting_first_get.discard((principal, cluster.name))
            await self.clusters.wait_until_provisioned(cluster, MAX_GET_WAIT)
        return resource(cluster)

    async def list(self, principal: str, version: str, body: Json) -> Json:
        """One page of a location's clusters."""
        parent = names.parse(body.get("parent", ""), 2)
        project = self.permission.require(principal, "list", parent)
        start = f"{self.location(project, parent)}/"
        found = [one for one in self.clusters.store.clusters.values() if one.name.startswith(start)]
        shown, token = page(found, body)
        return {"persistent_resources": [resource(one) for one in shown], "next_page_token": token}

    async def update(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Start resizing a cluster."""
        wanted = body.get("persistent_resource", {})
        name = self.own_name(principal, "update", wanted.get("name", ""))
        cluster = self.clusters.named(name)
        mask = [path for path in body.get("update_mask", "").split(",") if path]
        if problems := validation.update_problems(resource(cluster), wanted, mask):
            raise errors.invalid(problems)
        counts = [int(pool["replica_count"]) for pool in wanted["resource_pools"]]
        return self.clusters.update(name, counts, version)

    async def reboot(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Always refused: cloud.google.com/vertex-ai/docs/training/persistent-resource-reboot. The text is ours."""
        self.clusters.named(self.own_name(principal, "reboot", body.get("name", "")))
        raise RpcError("FAILED_PRECONDITION", "Reboot is not available on Ray on Vertex AI.")

    async def delete(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Start deleting a cluster."""
        return self.clusters.delete(self.own_name(principal, "delete", body.get("name", "")), version)

    # google.longrunning.Operations

    def operation(self, principal: str, body: Json, verb: str = "get") -> OperationRecord:
        """An operation. Raises RpcError unless the caller may do `verb` to its cluster."""
        name = names.parse(body.get("name", ""), 4)
        project = self.permission.require(principal, verb, name)
        full_name = (
            f"{self.location(project, name)}/persistentResources/{name.id}/operations/{name.operation}"
        )
        if full_name not in self.clusters.store.operations:
            raise errors.not_found(name.text)
        return self.clusters.store.operations[full_name]

    async def get_operation(self, principal: str, version: str, body: Json) -> OperationRecord:
        """An operation's current state."""
        return self.operation(principal, body)

    async def wait_operation(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Wait until an operation is done, for at most its timeout or 60 s."""
        operation = self.operation(principal, body)
        seconds = float(str(body.get("timeout") or f"{MAX_OPERATION_WAIT}s").removesuffix("s"))
        await self.clusters.wait_until_done(operation, min(MAX_OPERATION_WAIT, seconds))
        return operation

    async def list_operations(
        self, principal: str, version: str, body: Json
    ) -> tuple[Sequence[OperationRecord], str]:
        """One page of a location's or a cluster's operations, and the token of the next page."""
        text = body.get("name", "").removesuffix("/operations")
        name = names.parse(text, 3 if "/persistentResources/" in text else 2)
        project = self.permission.require(principal, "list", name)
        start = self.location(project, name) + (f"/persistentResources/{name.id}/" if name.id else "/")
        operations = self.clusters.store.operations.values()
        return page([one for one in operations if one.name.startswith(start)], body)

    async def cancel_operation(self, principal: str, version: str, body: Json) -> Json:
        """Cancel a creation. That deletes the cluster, so it requires the permission to delete."""
        self.clusters.cancel(self.operation(principal, body, "delete"))
        return {}

    async def delete_operation(self, principal: str, version: str, body: Json) -> Json:
        """Remove the record of a finished operation; its effect stays."""
        operation = self.operation(principal, body, "delete")
        if operation.done:
            self.clusters.store.operations.pop(operation.name)
            self.clusters.store.save()
        return {}

    # google.cloud.resourcemanager.v3.Projects

    async def project(self, principal: str, version: str, body: Json) -> Json:
        """A project. The lab's projects have no parent."""
        name = str(body.get("name", "")).removeprefix("projects/")
        access = self.permission.access()
        project, permission = access.lab_state.project_named(name), "resourcemanager.projects.get"
        if not project or not access.may(principal, permission, resources.project(project)):
            where = f"//cloudresourcemanager.googleapis.com/projects/{name}"
            text = f"Permission '{permission}' denied on resource '{where}' (or it may not exist)."
            raise RpcError("PERMISSION_DENIED", text)
        number = access.lab_state.number(project)
        return {
            "name": f"projects/{number}",
            "project_id": project,
            "state": "ACTIVE",
            "display_name": project,
        }


def page(entries: Sequence[T], body: Json) -> tuple[list[T], str]:
    """The entries of one page and the token of the next. Raises RpcError for an invalid token, and for a filter."""
    if body.get("filter"):
        raise RpcError("UNIMPLEMENTED", "The lab does not support filters.")
    size = int(body.get("page_size") or PAGE)
    if size < 0:
        raise errors.invalid([("page_size", f"{size} is negative.")])
    try:
        start = int(base64.urlsafe_b64decode(body.get("page_token") or "MA==").decode())
    except (ValueError, binascii.Error):
        raise errors.invalid([("page_token", "It is not a valid page token.")]) from None
    end = start + min(size, LARGEST_PAGE)
    token = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(entries) else ""
    return list(entries[start:end]), token
