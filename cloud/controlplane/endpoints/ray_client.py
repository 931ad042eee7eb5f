"""The clusters' Ray Client endpoints: what `ray.init("vertex_ray://NAME")` talks to.

gRPC calls to a cluster's host are forwarded to its head's Ray Client server, regardless of the method: each is a
bidirectional stream of opaque messages. Google documents no specific permission for the endpoint. The lab requires
the dashboard's permission, aiplatform.persistentResources.get, at the start of each call.

Each call buffers at most one message per direction (backpressure).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from grpc._cython import cygrpc

from cloud.controlplane import names
from cloud.controlplane.errors import RpcError
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.permission import Metadata, Permission

log = logging.getLogger("raydock.vertex")

PORT = 10001
CONNECT = 5.0  # seconds to reach a head
MAX_CALLS = 100  # concurrent calls per host, the number of threads in Ray's own server
# Bytes. Ray Client sends objects in chunks of 5 MiB, but a working directory in one message.
MAX_MESSAGE = 128 * 2**20
# As in ray.util.client.common.GRPC_OPTIONS: a client pings every 30 s, which gRPC otherwise treats as abuse.
OPTIONS = [
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.max_ping_strikes", 0),
]
TO_HEAD = [*OPTIONS, ("grpc.enable_http_proxy", 0)]
# Headers that each transport sets itself, and the user's token, which the head must not receive.
NOT_FORWARDED = ("authorization", "user-agent", "content-type", "te", "host")


@dataclass(frozen=True, slots=True)
class RayClientEndpoint:
    """Serves one host."""

    host: str
    clusters: Clusters
    permission: Permission
    port: int = PORT  # the Ray Client server's port on a head

    async def serve(self, address: str) -> tuple[Any, int]:
        """Start a server and return it with its port. TLS termination and routing by host happen in front of it."""
        server = grpc.aio.server(
            options=[("grpc.so_reuseport", 0), *OPTIONS], maximum_concurrent_rpcs=MAX_CALLS
        )
        server.add_generic_rpc_handlers((ForwardAll(self),))
        port = server.add_insecure_port(address)
        await server.start()
        return server, port

    def head(self, metadata: Metadata) -> str:
        """The head's address for a call. Raises RpcError if permission is missing or no cluster runs on this host."""
        principal = self.permission.caller(metadata)
        found = [one for one in self.clusters.store.clusters.values() if one.host == self.host]
        if not found:
            raise RpcError("NOT_FOUND", f"No cluster in the lab uses the Ray Client endpoint {self.host}.")
        self.permission.require(principal, "get", names.parse(found[0].name, names.CLUSTER))
        if found[0].state not in ("RUNNING", "UPDATING"):
            raise RpcError("UNAVAILABLE", f"The cluster is {found[0].state}.")
        return f"{found[0].head}:{self.port}"

    async def call(self, method: str, requests: AsyncIterator[bytes], context: Any) -> None:
        """Forward one call. Aborts it with the head's status, or with the lab's own if the lab refuses it."""
        metadata = context.invocation_metadata()
        try:
            head = self.head(metadata)
            async with grpc.aio.insecure_channel(head, options=TO_HEAD) as channel:
                await wait_until_ready(channel)
                call = channel.stream_stream(method)(
                    metadata=forwarded(metadata), timeout=context.time_remaining()
                )
                await relay(requests, call, context)
        except RpcError as refusal:
            log.info("%s: %s: %s", method, refusal.code, refusal.message)
            await context.abort(grpc.StatusCode[refusal.code], refusal.message)
        except grpc.aio.AioRpcError as ended:
            await context.abort(ended.code(), ended.details() or "", tuple(ended.trailing_metadata()))


@dataclass(frozen=True, slots=True)
class ForwardAll(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Routes every method to the endpoint."""

    endpoint: RayClientEndpoint

    def service(self, details: Any) -> Any:
        """The handler for a call to any method. gRPC defines this method's name."""

        async def call(requests: AsyncIterator[bytes], context: Any) -> None:
            await self.endpoint.call(details.method, requests, context)

        return grpc.stream_stream_rpc_method_handler(call)


async def wait_until_ready(channel: Any) -> None:
    """Wait for the connection to a head. Raises RpcError (UNAVAILABLE) after 5 s."""
    try:
        async with asyncio.timeout(CONNECT):
            await channel.channel_ready()
    except TimeoutError:
        text = "The cluster's head does not respond on its Ray Client port."
        raise RpcError("UNAVAILABLE", text) from None


async def relay(requests: AsyncIterator[bytes], call: Any, context: Any) -> None:
    """Copy both directions until the head ends the call. Raises AioRpcError if its status is not OK."""
    sending = asyncio.create_task(send(requests, call))
    try:
        await context.send_initial_metadata(await call.initial_metadata())
        while (message := await call.read()) is not grpc.aio.EOF:
            await context.write(message)
        context.set_trailing_metadata(tuple(await call.trailing_metadata()))
    finally:
        sending.cancel()
        call.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def send(requests: AsyncIterator[bytes], call: Any) -> None:
    """Copy the client's messages to the head. An error here ends the call; `relay` reports its status.

    This avoids `call.write`, which replaces the head's status with INTERNAL if the head has already ended the call
    (grpcio 1.85, grpc/aio/_call.py, `_write`).
    """
    try:
        await call.wait_for_connection()
        async for message in requests:
            await call._cython_call.send_serialized_message(message)
        await call.done_writing()
    except (grpc.aio.AioRpcError, cygrpc.BaseError):
        return


def forwarded(metadata: Metadata) -> tuple[tuple[str, str | bytes], ...]:
    """The metadata for the head: everything except the token and gRPC's own entries."""
    return tuple(
        (key, value) for key, value in metadata if key not in NOT_FORWARDED and not key.startswith("grpc-")
    )
