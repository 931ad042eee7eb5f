"""The gRPC server: which method of which service is which of `api.py`, with Google's status codes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from cloud.controlplane import messages
from cloud.controlplane.api import ClusterService
from cloud.controlplane.errors import RpcError
from cloud.controlplane.store import OperationRecord

log = logging.getLogger("raydock.vertex")

Method = Callable[[str, str, Any], Awaitable[Any]]
Answer = Callable[[Any], Any]


def services(api: ClusterService) -> list[Any]:
    """A handler for each service."""
    store = api.clusters.store

    def told(found: OperationRecord) -> Any:
        return messages.operation(found, store)

    def listed(found: tuple[Sequence[OperationRecord], str]) -> Any:
        shown, token = found
        return operations_pb2.ListOperationsResponse(
            operations=[told(one) for one in shown], next_page_token=token
        )

    found = [persistent(api, version, told) for version in messages.VERSIONS]
    answers: dict[str, tuple[Method, Answer]] = {
        "GetOperation": (api.get_operation, told),
        "WaitOperation": (api.wait_operation, told),
        "ListOperations": (api.list_operations, listed),
        "CancelOperation": (api.cancel_operation, lambda _: empty_pb2.Empty()),
        "DeleteOperation": (api.delete_operation, lambda _: empty_pb2.Empty()),
    }
    operations = {
        name: handler(api, "", method, messages.OPERATIONS[name], answer)
        for name, (method, answer) in answers.items()
    }
    projects = {
        "GetProject": handler(api, "", api.project, messages.GetProjectRequest, messages.project),
    }
    return [
        *found,
        grpc.method_handlers_generic_handler("google.longrunning.Operations", operations),
        grpc.method_handlers_generic_handler("google.cloud.resourcemanager.v3.Projects", projects),
    ]


def persistent(api: ClusterService, version: str, told: Answer) -> Any:
    """PersistentResourceService of one version."""
    methods = {}
    for name, (verb, request) in messages.PERSISTENT.items():
        answer = told
        if verb == "get":
            answer = lambda found: messages.persistent_resource(version, found)  # noqa: E731
        elif verb == "list":
            answer = lambda found: messages.resource_list(version, found)  # noqa: E731
        method = f"{name}PersistentResource{'s' if verb == 'list' else ''}"
        methods[method] = handler(api, version, getattr(api, verb), Lazy(version, request), answer)
    service = f"google.cloud.aiplatform.{version}.PersistentResourceService"
    return grpc.method_handlers_generic_handler(service, methods)


@dataclass(frozen=True, slots=True)
class Lazy:
    """A request's class, loaded when the first such request comes: all messages of a version take 3 s."""

    version: str
    name: str

    def FromString(self, data: bytes) -> Any:
        return messages.kind(self.version, self.name).FromString(data)


def handler(api: ClusterService, version: str, method: Method, request: Any, answer: Answer) -> Any:
    """One method: authenticates, calls, and turns a refusal into its status."""

    async def call(message: Any, context: Any) -> Any:
        try:
            principal = api.permission.caller(context.invocation_metadata())
            return answer(await method(principal, version, messages.json_of(message)))
        except RpcError as refusal:
            log.info("%s: %s: %s", method.__name__, refusal.code, refusal.message)
            return await context.abort(grpc.StatusCode[refusal.code], refusal.message)

    return grpc.unary_unary_rpc_method_handler(
        call,
        request_deserializer=request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


async def serve(api: ClusterService, *addresses: str) -> tuple[Any, list[int]]:
    """A started server on these addresses, without TLS: what stands before it ends that. And its ports."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(services(api))
    ports = [server.add_insecure_port(address) for address in addresses]
    await server.start()
    return server, ports
