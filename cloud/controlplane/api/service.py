"""PersistentResourceService: permissions, validation and responses. Messages are JSON at this level.

https://cloud.google.com/vertex-ai/docs/reference/rpc/google.cloud.aiplatform.v1beta1#persistentresourceservice
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.controlplane import errors
from cloud.controlplane.api.endpoint import ApiEndpoint
from cloud.controlplane.api.paging import page
from cloud.controlplane.errors import RpcError
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.lifecycle.resource import resource
from cloud.controlplane.lifecycle.store import OperationRecord
from cloud.controlplane.validation import create, update
from iam.policy.principal import code_agent

Json = Mapping[str, Any]
MAX_GET_WAIT = 120.0  # seconds, per Get
OUTPUT = (
    *("name", "state", "error", "create_time", "start_time", "update_time", "resource_runtime"),
    *("satisfies_pzs", "satisfies_pzi"),
)


@dataclass(frozen=True, slots=True)
class ClusterService:
    """The service's methods. Each takes the caller's principal, API version and request, and may raise RpcError."""

    clusters: Clusters
    endpoint: ApiEndpoint
    # (principal, cluster) of creators that have not called Get yet
    awaiting_first_get: set[tuple[str, str]] = field(default_factory=set)

    async def create(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Start creating a cluster."""
        project, parent = self.endpoint.parent(principal, "create", body.get("parent", ""))
        identifier = body.get("persistent_resource_id", "")
        spec = {key: value for key, value in body.get("persistent_resource", {}).items() if key not in OUTPUT}
        if problems := create.problems(identifier, spec):
            raise errors.invalid(problems)
        for number, pool in enumerate(spec["resource_pools"]):
            pool.setdefault("id", f"pool-{number}")
        identity = self.identity(principal, project, spec)
        name = f"{parent}/persistentResources/{identifier}"
        operation = self.clusters.create(name, spec, project, identity, version)
        self.awaiting_first_get.add((principal, name))
        return operation

    def identity(self, principal: str, project: str, spec: Json) -> str:
        """The principal of the cluster's jobs: its service account, or the project's Custom Code Service Agent."""
        permission = self.endpoint.permission
        account = (spec["resource_runtime_spec"].get("service_account_spec") or {}).get("service_account", "")
        if account:
            permission.require_acting_as(principal, account)
        agent = code_agent(str(permission.lab_state.number(project)))
        return f"serviceAccount:{account or agent}"

    async def get(self, principal: str, version: str, body: Json) -> Json:
        """A cluster's current state. The creator's first call waits until the cluster is ready.

        `vertex_ray.create_ray_cluster` calls Get immediately and then sleeps for 150 s before the next call.
        """
        cluster = self.clusters.named(self.endpoint.cluster(principal, "get", body.get("name", "")))
        if (principal, cluster.name) in self.awaiting_first_get:
            self.awaiting_first_get.discard((principal, cluster.name))
            await self.clusters.wait_until_provisioned(cluster, MAX_GET_WAIT)
        return resource(cluster)

    async def list(self, principal: str, version: str, body: Json) -> Json:
        """One page of a location's clusters, excluding those being deleted.

        Google's system tests expect this right after a deletion (tests/system/vertex_ray/test_cluster_management.py).
        """
        _, parent = self.endpoint.parent(principal, "list", body.get("parent", ""))
        clusters = self.clusters.store.clusters.values()
        found = [one for one in clusters if one.name.startswith(f"{parent}/") and one.state != "STOPPING"]
        shown, token = page(found, body)
        return {"persistent_resources": [resource(one) for one in shown], "next_page_token": token}

    async def update(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Start resizing a cluster."""
        wanted = body.get("persistent_resource", {})
        field = "persistent_resource.name"
        name = self.endpoint.cluster(principal, "update", wanted.get("name", ""), field)
        cluster = self.clusters.named(name)
        mask = [path for path in body.get("update_mask", "").split(",") if path]
        if problems := update.problems(resource(cluster), wanted, mask):
            raise errors.invalid(problems)
        counts = [int(pool["replica_count"]) for pool in wanted["resource_pools"]]
        return self.clusters.update(name, counts, version)

    async def reboot(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Always refused: cloud.google.com/vertex-ai/docs/training/persistent-resource-reboot.

        The message is the lab's own.
        """
        self.clusters.named(self.endpoint.cluster(principal, "reboot", body.get("name", "")))
        raise RpcError("FAILED_PRECONDITION", "Reboot is not available on Ray on Vertex AI.")

    async def delete(self, principal: str, version: str, body: Json) -> OperationRecord:
        """Start deleting a cluster."""
        name = self.endpoint.cluster(principal, "delete", body.get("name", ""))
        return self.clusters.delete(name, version)
