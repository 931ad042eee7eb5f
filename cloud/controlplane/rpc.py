"""The gRPC server: maps the methods of Google's services to those of `api.py`, with Google's status codes."""

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
    """The generic handler of each service."""
    store = api.clusters.store

    def operation_message(found: OperationRecord) -> Any:
        return messages.operation(found, store)

    def operation_list(found: tuple[Sequence[OperationRecord], str]) -> Any:
        shown, token = found
        return operations_pb2.ListOperationsResponse(
            operations=[operation_message(one) for one in shown], next_page_token=token
        )

    found = [persistent_resources(api, version, operation_message) for version in messages.VERSIONS]
    answers: dict[str, tuple[Method, Answer]] = {
        "GetOperation": (api.get_operation, operation_message),
        "WaitOperation": (api.wait_operation, operation_message),
        "ListOperations": (api.list_operations, operation_list),
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


def persistent_resources(api: ClusterService, version: str, operation_message: Answer) -> Any:
    """The handler of one version of PersistentResourceService."""
    methods = {}
    for name, (verb, request) in messages.PERSISTENT.items():
        answer = operation_message
        if verb == "get":
            answer = lambda found: messages.persistent_resource(version, found)  # noqa: E731
        elif verb == "list":
            answer = lambda found: messages.resource_list(version, found)  # noqa: E731
        method = f"{name}PersistentResource{'s' if verb == 'list' else ''}"
        methods[method] = handler(api, version, getattr(api, verb), LazyRequest(version, request), answer)
    service = f"google.cloud.aiplatform.{version}.PersistentResourceService"
    return grpc.method_handlers_generic_handler(service, methods)


@dataclass(frozen=True, slots=True)
class LazyRequest:
    """A request class that is imported with the first request: a version's messages take 3 s to import."""

    version: str
    name: str

    def FromString(self, data: bytes) -> Any:
        """Parse a request; the name is protobuf's."""
        return messages.kind(self.version, self.name).FromString(data)


def handler(api: ClusterService, version: str, method: Method, request: Any, answer: Answer) -> Any:
    """The handler of one method: authenticates the caller, calls the method and maps RpcError to a gRPC status."""

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
    """Start a server on these addresses. Returns it and its ports. TLS is terminated in front of it."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(services(api))
    ports = [server.add_insecure_port(address) for address in addresses]
    await server.start()
    return server, ports
