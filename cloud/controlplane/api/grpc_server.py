"""The gRPC front end: Google's services as generic handlers."""

from __future__ import annotations

from typing import Any

import grpc

from cloud.controlplane.api import messages
from cloud.controlplane.api.methods import Method, Services
from cloud.controlplane.errors import RpcError
from cloud.controlplane.permission import Permission

DETAILS = "grpc-status-details-bin"  # metadata with a google.rpc.Status: google.api_core.exceptions


def handler(method: Method, permission: Permission) -> Any:
    """The handler for one method, which maps RpcError to a gRPC status with details."""

    async def call(message: Any, context: Any) -> Any:
        try:
            return await method.invoke(lambda: permission.caller(context.invocation_metadata()), message)
        except RpcError as refusal:
            status = messages.status(refusal.code, refusal.message, refusal.details)
            trailing = ((DETAILS, status.SerializeToString()),) if refusal.details else ()
            return await context.abort(grpc.StatusCode[refusal.code], refusal.message, trailing)

    return grpc.unary_unary_rpc_method_handler(
        call,
        request_deserializer=method.request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


class Unsupported(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Responds to every method that the lab lacks with UNIMPLEMENTED and the method's name."""

    def service(self, details: Any) -> Any:
        """The handler for one method. grpc defines this method's name."""
        said = f"The lab does not support {details.method.removeprefix('/')}."

        async def call(requests: Any, context: Any) -> None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, said)

        return grpc.stream_stream_rpc_method_handler(call)


async def serve(services: Services, permission: Permission, *addresses: str) -> tuple[Any, list[int]]:
    """Start a server on these addresses. Returns the server and its ports. TLS is terminated in front of it."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                service, {name: handler(method, permission) for name, method in methods.items()}
            )
            for service, methods in services.items()
        ]
        + [Unsupported()]
    )
    ports = [server.add_insecure_port(address) for address in addresses]
    await server.start()
    return server, ports
