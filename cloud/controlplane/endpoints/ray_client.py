"""The clusters' Ray Client endpoints: what `ray.init("vertex_ray://NAME")` talks to.

gRPC calls under the host of a cluster are passed on to its head's Ray Client server, whatever they are called: each as
a stream both ways of messages that are not read. Who may use one is not on record as a permission of its own; the lab
asks for what it asks at the dashboard, aiplatform.persistentResources.get, at the beginning of each call.

One message each way of a call is held here, and the next is taken when the other side has taken that one.
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
from cloud.controlplane.clusters import Clusters
from cloud.controlplane.errors import RpcError
from cloud.controlplane.permission import Metadata, Permission

log = logging.getLogger("raydock.vertex")

PORT = 10001
CONNECT = 5.0  # seconds to reach a head
CALLS = 100  # at once under one host; Ray's own server has as many threads
MESSAGE = 128 * 2**20  # bytes; Ray Client sends objects in pieces of 5 MiB, a working directory in one
# As ray.util.client.common.GRPC_OPTIONS: a client pings every 30 s, which gRPC takes for an attack otherwise.
OPTIONS = [
    ("grpc.max_send_message_length", MESSAGE),
    ("grpc.max_receive_message_length", MESSAGE),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.max_ping_strikes", 0),
]
TO_HEAD = [*OPTIONS, ("grpc.enable_http_proxy", 0)]
# What each side's own transport says, and the token: it is the person's, and the head is no one's to trust with it.
OWN = ("authorization", "user-agent", "content-type", "te", "host")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers under one host."""

    host: str
    clusters: Clusters
    permission: Permission
    port: int = PORT  # of a head's Ray Client server

    async def serve(self, address: str) -> tuple[Any, int]:
        """A started server, without TLS: what stands before it ends that, and tells hosts apart. And its port."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *OPTIONS], maximum_concurrent_rpcs=CALLS)
        server.add_generic_rpc_handlers((Passing(self),))
        port = server.add_insecure_port(address)
        await server.start()
        return server, port

    def head(self, metadata: Metadata) -> str:
        """Where to pass a call on to. Refused without a token or the permission, and where no cluster runs."""
        principal = self.permission.caller(metadata)
        found = [one for one in self.clusters.store.clusters.values() if one.host == self.host]
        if not found:
            raise RpcError("NOT_FOUND", f"No cluster of this lab has the Ray Client endpoint {self.host}.")
        self.permission.require(principal, "get", names.parse(found[0].name, 3))
        if found[0].state not in ("RUNNING", "UPDATING"):
            raise RpcError("UNAVAILABLE", f"The cluster is {found[0].state}.")
        return f"{found[0].head}:{self.port}"

    async def call(self, method: str, requests: AsyncIterator[bytes], context: Any) -> None:
        """One call from its beginning to its end."""
        metadata = context.invocation_metadata()
        try:
            head = self.head(metadata)
            async with grpc.aio.insecure_channel(head, options=TO_HEAD) as channel:
                await reached(channel)
                call = channel.stream_stream(method)(
                    metadata=kept(metadata), timeout=context.time_remaining()
                )
                await passed(requests, call, context)
        except RpcError as refusal:
            log.info("%s: %s: %s", method, refusal.code, refusal.message)
            await context.abort(grpc.StatusCode[refusal.code], refusal.message)
        except grpc.aio.AioRpcError as ended:
            await context.abort(ended.code(), ended.details() or "", tuple(ended.trailing_metadata()))


@dataclass(frozen=True, slots=True)
class Passing(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Every method is the endpoint's."""

    endpoint: Endpoint

    def service(self, details: Any) -> Any:
        async def call(requests: AsyncIterator[bytes], context: Any) -> None:
            await self.endpoint.call(details.method, requests, context)

        return grpc.stream_stream_rpc_method_handler(call)


async def reached(channel: Any) -> None:
    """Refused where nobody answers."""
    try:
        await asyncio.wait_for(channel.channel_ready(), CONNECT)
    except (TimeoutError, asyncio.TimeoutError):
        said = "The cluster's head does not answer at its Ray Client port."
        raise RpcError("UNAVAILABLE", said) from None


async def passed(requests: AsyncIterator[bytes], call: Any, context: Any) -> None:
    """Both directions until the head ends the call; AioRpcError with its status where that is not OK."""
    sending = asyncio.create_task(sent(requests, call))
    try:
        await context.send_initial_metadata(await call.initial_metadata())
        while (message := await call.read()) is not grpc.aio.EOF:
            await context.write(message)
        context.set_trailing_metadata(tuple(await call.trailing_metadata()))
    finally:
        sending.cancel()
        call.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def sent(requests: AsyncIterator[bytes], call: Any) -> None:
    """One way. What breaks here ends the call, and how it ended is told the other way.

    Not by `call.write`: where the head has ended the call meanwhile, that puts INTERNAL in the place of the head's own
    status (grpcio 1.85, grpc/aio/_call.py, `_write`).
    """
    try:
        await call.wait_for_connection()
        async for message in requests:
            await call._cython_call.send_serialized_message(message)
        await call.done_writing()
    except (grpc.aio.AioRpcError, cygrpc.BaseError):
        return


def kept(metadata: Metadata) -> tuple[tuple[str, str | bytes], ...]:
    """What goes on to the head: all but the token and what is gRPC's own."""
    return tuple((key, value) for key, value in metadata if key not in OWN and not key.startswith("grpc-"))
