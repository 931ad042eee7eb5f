"""The methods of Google's services. Both front ends call them, so both return the same responses."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from cloud.controlplane import errors
from cloud.controlplane.api import messages
from cloud.controlplane.api.endpoint import ApiEndpoint
from cloud.controlplane.api.operations import OperationService
from cloud.controlplane.api.projects import ProjectService
from cloud.controlplane.api.service import ClusterService
from cloud.controlplane.errors import RpcError
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.permission import Permission

log = logging.getLogger("raydock.vertex")

OPERATIONS = "google.longrunning.Operations"
PROJECTS = "google.cloud.resourcemanager.v3.Projects"


@dataclass(frozen=True, slots=True)
class LazyRequest:
    """A request class imported on the first request, because importing a version's messages takes 3 s."""

    version: str
    name: str

    def __call__(self) -> Any:
        """An empty request."""
        return messages.kind(self.version, self.name)()

    def FromString(self, data: bytes) -> Any:
        """Parse a request. protobuf defines this method's name."""
        return messages.kind(self.version, self.name).FromString(data)


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its request class, its implementation, and the function that builds the response message."""

    version: str
    request: Any
    call: Callable[[str, str, Any], Awaitable[Any]]
    answer: Callable[[Any], Any]

    async def invoke(self, authenticate: Callable[[], str], message: Any) -> Any:
        """The response to a request. `authenticate` returns the caller's principal. Raises only RpcError."""
        try:
            return self.answer(await self.call(authenticate(), self.version, messages.json_of(message)))
        except RpcError as refusal:
            log.info("%s: %s: %s", self.request_name, refusal.code, refusal.message)
            raise
        except Exception:
            log.exception("%s failed", self.request_name)
            raise errors.internal() from None

    @property
    def request_name(self) -> str:
        """The request message's name, for the log."""
        found = self.request.name if isinstance(self.request, LazyRequest) else self.request.DESCRIPTOR.name
        return str(found)


Services = Mapping[str, Mapping[str, Method]]  # methods by service and name


def cluster_service(version: str) -> str:
    """The name of PersistentResourceService in one API version."""
    return f"google.cloud.aiplatform.{version}.PersistentResourceService"


def region_services(region: str, clusters: Clusters, permission: Permission) -> Services:
    """The services on a region's endpoint."""
    endpoint = ApiEndpoint(region, permission)
    service = ClusterService(clusters, endpoint)
    versions = {cluster_service(one): cluster_methods(service, one) for one in messages.VERSIONS}
    return versions | {OPERATIONS: operation_methods(OperationService(clusters, endpoint))}


def global_services(permission: Permission) -> Services:
    """The services that have no region."""
    get = Method("", messages.GetProjectRequest, ProjectService(permission).get, messages.project)
    return {PROJECTS: {"GetProject": get}}


def cluster_methods(service: ClusterService, version: str) -> Mapping[str, Method]:
    """The methods of PersistentResourceService in one API version."""
    store = service.clusters.store

    def method(name: str, call: Any, answer: Any = lambda found: messages.operation(found, store)) -> Method:
        return Method(version, LazyRequest(version, f"{name}Request"), call, answer)

    def cluster(found: Any) -> Any:
        return messages.persistent_resource(version, found)

    def page(found: Any) -> Any:
        return messages.resource_list(version, found)

    return {
        "CreatePersistentResource": method("CreatePersistentResource", service.create),
        "GetPersistentResource": method("GetPersistentResource", service.get, cluster),
        "ListPersistentResources": method("ListPersistentResources", service.list, page),
        "UpdatePersistentResource": method("UpdatePersistentResource", service.update),
        "RebootPersistentResource": method("RebootPersistentResource", service.reboot),
        "DeletePersistentResource": method("DeletePersistentResource", service.delete),
    }


def operation_methods(service: OperationService) -> Mapping[str, Method]:
    """The Operations service's methods."""
    store = service.clusters.store

    def one(found: Any) -> Any:
        return messages.operation(found, store)

    def several(found: Any) -> Any:
        return messages.operation_list(found, store)

    def nothing(_: Any) -> Any:
        return empty_pb2.Empty()

    return {
        "GetOperation": Method("", operations_pb2.GetOperationRequest, service.get, one),
        "WaitOperation": Method("", operations_pb2.WaitOperationRequest, service.wait, one),
        "ListOperations": Method("", operations_pb2.ListOperationsRequest, service.list, several),
        "CancelOperation": Method("", operations_pb2.CancelOperationRequest, service.cancel, nothing),
        "DeleteOperation": Method("", operations_pb2.DeleteOperationRequest, service.delete, nothing),
    }
