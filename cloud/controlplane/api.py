"""The methods of the API: who may call them, what they refuse, what they answer. Messages are JSON here.

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
PAGE, LARGEST = 50, 100  # entries of a page
WAIT = 60.0  # seconds that one WaitOperation takes at most
HOLD = 120.0  # seconds that one Get waits at most
OUTPUT = ("name", "state", "error", "create_time", "start_time", "update_time", "resource_runtime")


@dataclass(frozen=True, slots=True)
class ClusterService:
    """Each method takes the caller's principal, the API's version and the request."""

    clusters: Clusters
    permission: Permission
    makers: set[tuple[str, str]] = field(
        default_factory=set
    )  # who made a cluster and has not looked at it yet

    async def create(self, principal: str, version: str, body: Json) -> OperationRecord:
        parent = names.parse(body.get("parent", ""), 2)
        project = self.permission.require(principal, "create", parent)
        identifier = body.get("persistent_resource_id", "")
        spec = {key: value for key, value in body.get("persistent_resource", {}).items() if key not in OUTPUT}
        if problems := validation.problems(identifier, spec):
            raise errors.invalid(problems)
        for number, pool in enumerate(spec["resource_pools"]):
            pool.setdefault("id", f"pool-{number}")
        who = self.identity(principal, project, spec)
        name = f"{self.location(project, parent)}/persistentResources/{identifier}"
        operation = self.clusters.create(name, spec, project, who, version)
        self.makers.add((principal, name))
        return operation

    def identity(self, principal: str, project: str, spec: Json) -> str:
        """Who the cluster's jobs will be: its custom account, or the project's Custom Code Service Agent."""
        account = (spec["resource_runtime_spec"].get("service_account_spec") or {}).get("service_account", "")
        if account:
            self.permission.require_acting_as(principal, account)
        agent = code_agent(str(self.permission.lab_state.number(project)))
        return f"serviceAccount:{account or agent}"

    def location(self, project: str, name: names.Name) -> str:
        """A location's name with the project's number, as answers have it."""
        return f"projects/{self.permission.lab_state.number(project)}/locations/{name.region}"

    def own_name(self, principal: str, verb: str, text: str) -> str:
        """The name of a persistent resource with its project's number, for a caller who may do this to it."""
        name = names.parse(text, 3)
        project = self.permission.require(principal, verb, name)
        return f"{self.location(project, name)}/persistentResources/{name.id}"

    async def get(self, principal: str, version: str, body: Json) -> Json:
        """A cluster as it is. The first answer to whoever has just made it waits until it is ready.

        `vertex_ray.create_ray_cluster` looks at once, and then sleeps for 150 s before it looks again.
        """
        cluster = self.clusters.named(self.own_name(principal, "get", body.get("name", "")))
        if (principal, cluster.name) in self.makers:
            self.makers.discard((principal, cluster.name))
            await self.clusters.provisioned(cluster, HOLD)
        return resource(cluster)

    async def list(self, principal: str, version: str, body: Json) -> Json:
        parent = names.parse(body.get("parent", ""), 2)
        project = self.permission.require(principal, "list", parent)
        start = f"{self.location(project, parent)}/"
        found = [one for one in self.clusters.store.clusters.values() if one.name.startswith(start)]
        shown, token = page(found, body)
        return {"persistent_resources": [resource(one) for one in shown], "next_page_token": token}

    async def update(self, principal: str, version: str, body: Json) -> OperationRecord:
        wanted = body.get("persistent_resource", {})
        name = self.own_name(principal, "update", wanted.get("name", ""))
        cluster = self.clusters.named(name)
        mask = [path for path in body.get("update_mask", "").split(",") if path]
        if problems := validation.resized(resource(cluster), wanted, mask):
            raise errors.invalid(problems)
        counts = [int(pool["replica_count"]) for pool in wanted["resource_pools"]]
        return self.clusters.update(name, counts, version)

    async def reboot(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Refused: cloud.google.com/vertex-ai/docs/training/persistent-resource-reboot says so; the text is ours."""
        self.clusters.named(self.own_name(principal, "reboot", body.get("name", "")))
        raise RpcError("FAILED_PRECONDITION", "Reboot is not available on Ray on Vertex AI.")

    async def delete(self, principal: str, version: str, body: Json) -> OperationRecord:
        return self.clusters.delete(self.own_name(principal, "delete", body.get("name", "")), version)

    # google.longrunning.Operations

    def operation(self, principal: str, body: Json, verb: str = "get") -> OperationRecord:
        """The one of that name, for a caller who may do this to its cluster."""
        name = names.parse(body.get("name", ""), 4)
        project = self.permission.require(principal, verb, name)
        own = f"{self.location(project, name)}/persistentResources/{name.id}/operations/{name.operation}"
        if own not in self.clusters.store.operations:
            raise errors.not_found(name.text)
        return self.clusters.store.operations[own]

    async def get_operation(self, principal: str, version: str, body: Json) -> OperationRecord:
        return self.operation(principal, body)

    async def wait_operation(self, principal: str, version: str, body: Json) -> OperationRecord:
        operation = self.operation(principal, body)
        seconds = float(str(body.get("timeout") or f"{WAIT}s").removesuffix("s"))
        await self.clusters.finished(operation, min(WAIT, seconds))
        return operation

    async def list_operations(
        self, principal: str, version: str, body: Json
    ) -> tuple[Sequence[OperationRecord], str]:
        text = body.get("name", "").removesuffix("/operations")
        name = names.parse(text, 3 if "/persistentResources/" in text else 2)
        project = self.permission.require(principal, "list", name)
        start = self.location(project, name) + (f"/persistentResources/{name.id}/" if name.id else "/")
        operations = self.clusters.store.operations.values()
        return page([one for one in operations if one.name.startswith(start)], body)

    async def cancel_operation(self, principal: str, version: str, body: Json) -> Json:
        """A creation that is cancelled is a cluster that is deleted, so that permission is asked for."""
        self.clusters.cancel(self.operation(principal, body, "delete"))
        return {}

    async def delete_operation(self, principal: str, version: str, body: Json) -> Json:
        """Forgets it where it is done; what it did stays."""
        operation = self.operation(principal, body, "delete")
        if operation.done:
            self.clusters.store.operations.pop(operation.name)
            self.clusters.store.save()
        return {}

    # google.cloud.resourcemanager.v3.Projects

    async def project(self, principal: str, version: str, body: Json) -> Json:
        """No project of the lab has a parent."""
        name = str(body.get("name", "")).removeprefix("projects/")
        access = self.permission.access()
        project, needed = access.lab_state.project_named(name), "resourcemanager.projects.get"
        if not project or not access.may(principal, needed, resources.project(project)):
            said = f"Permission '{needed}' denied on resource '//cloudresourcemanager.googleapis.com/projects/{name}'"
            raise RpcError("PERMISSION_DENIED", f"{said} (or it may not exist).")
        number = access.lab_state.number(project)
        return {
            "name": f"projects/{number}",
            "project_id": project,
            "state": "ACTIVE",
            "display_name": project,
        }


def page(entries: Sequence[T], body: Json) -> tuple[list[T], str]:
    """The entries of one page and the token of the next. Refused for a token that is none, and for a filter."""
    if body.get("filter"):
        raise RpcError("UNIMPLEMENTED", "The lab filters nothing.")
    size = int(body.get("page_size") or PAGE)
    if size < 0:
        raise errors.invalid([("page_size", f"{size} is negative.")])
    try:
        start = int(base64.urlsafe_b64decode(body.get("page_token") or "MA==").decode())
    except (ValueError, binascii.Error):
        raise errors.invalid([("page_token", "It is no token of a list.")]) from None
    end = start + min(size, LARGEST)
    token = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(entries) else ""
    return list(entries[start:end]), token
