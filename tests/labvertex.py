"""Vertex's control plane on ports of this machine, and Google's own SDK pointed at it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from cloud import state_file
from cloud.controlplane.lifecycle import store
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.permission import Permission
from cloud.controlplane.server import ControlPlane
from cloud.identity.access import Access
from cloud.identity.tokens import Tokens
from cloud.lab_state import LabState
from cloud.network.certificates import Authority, load_authority
from iam.lab.settings import FILE as LAB_FILE
from tests.fakes import FakeNodes
from tests.labcloud import YOU, abort_connections

T = TypeVar("T")
REGION = "us-central1"
PARENT = f"projects/123456789012/locations/{REGION}"
HOST = f"{REGION}-aiplatform.googleapis.com"


@dataclass(slots=True)
class LabVertex:
    """One that runs in a thread. `port` is its TLS door."""

    plane: ControlPlane
    nodes: FakeNodes
    world: LabState
    tokens: Tokens
    authority: Authority
    loop: asyncio.AbstractEventLoop
    port: int = 0
    channels: list[Any] = field(default_factory=list)

    def run(self, work: Awaitable[T], seconds: float = 20) -> T:
        async def working() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(working(), self.loop).result(seconds)

    def token(self, principal: str, lifetime: float | None = None) -> str:
        return self.tokens.mint(principal, lifetime)[0]

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.certificate))

    def https(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        token: str = YOU,
        host: str = HOST,
    ) -> httpx.Response:
        """A request over plain HTTPS, with a token of that principal."""
        headers = {"Host": host} | ({"Authorization": f"Bearer {self.token(token)}"} if token else {})
        content = {"content": body} if isinstance(body, str) else {"json": body} if body is not None else {}
        with httpx.Client(verify=self.trust(), trust_env=False) as client:
            url, sni = f"https://127.0.0.1:{self.port}{path}", {"sni_hostname": host}
            return client.request(
                verb, url, params=query, headers=headers, extensions=sni, timeout=60, **content
            )

    def channel(self, host: str, credentials: Any = None) -> Any:
        """A channel as the SDK makes one: TLS for that host, a token with each call."""
        import grpc
        from google.auth.transport.grpc import AuthMetadataPlugin
        from google.auth.transport.requests import Request

        trusted = grpc.ssl_channel_credentials(self.authority.pem())
        if credentials is not None:
            plugin = grpc.metadata_call_credentials(AuthMetadataPlugin(credentials, Request()))
            trusted = grpc.composite_channel_credentials(trusted, plugin)
        options = [("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)]
        channel = grpc.secure_channel(f"127.0.0.1:{self.port}", trusted, options=options)
        self.channels.append(channel)
        return channel


@contextmanager
def lab_vertex(
    folder: Path,
    nodes: FakeNodes | None = None,
    ready: float = 5,
    dashboard_port: int = 8265,
    client_port: int = 10001,
) -> Iterator[LabVertex]:
    """The control plane over the double, remembering in the folder. Ending it is what a kill is: nothing is ended."""
    world, tokens = state_file.load(LAB_FILE, None), Tokens(b"s" * 32)
    nodes = FakeNodes() if nodes is None else nodes
    authority = load_authority(folder)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[ControlPlane, int]:
        clusters = Clusters(store.load(folder), nodes, ready, poll=0.01)
        permission = Permission(lambda: Access(world, tokens))
        plane = ControlPlane(clusters, permission, dashboard_port, client_port)
        await plane.start()
        return plane, await plane.open("127.0.0.1", 0, authority.server_context(["http/1.1", "h2"]))

    plane, port = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    found = LabVertex(plane, nodes, world, tokens, authority, loop, port)
    try:
        yield found
    finally:
        for channel in found.channels:
            channel.close()
        found.run(plane.close())
        found.run(abort_connections())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


@dataclass(slots=True)
class FakeHead:
    """A head's Ray Client server, with methods of every kind. It notes what it is called with."""

    port: int = 0
    server: Any = None
    called: list[tuple[str, dict[str, Any], float | None]] = field(default_factory=list)
    taken: int = 0  # bytes of `Stall`
    cancelled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def service(self, details: Any) -> Any:
        """Whatever is called: /ray.rpc.X/METHOD is the method of that name here."""
        import grpc

        found = getattr(self, details.method.rpartition("/")[2].lower(), None)
        if found is None:
            return None

        def call(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            self.called.append(
                (details.method, dict(context.invocation_metadata()), context.time_remaining())
            )
            yield from found(requests, context)

        return grpc.stream_stream_rpc_method_handler(call)

    def echo(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        context.send_initial_metadata((("first", "said"),))
        yield from requests
        context.set_trailing_metadata((("last", "said"),))

    def fail(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        import grpc

        yield from requests
        context.set_trailing_metadata((("why-bin", b"\0\1"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "No such session – gone.")

    def hang(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        context.add_callback(self.cancelled.set)
        yield next(requests)
        self.go_on.wait(20)

    def stall(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        self.go_on.wait(20)
        for request in requests:
            self.taken += len(request)
        yield str(self.taken).encode()


@contextmanager
def fake_head() -> Iterator[FakeHead]:
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    head = FakeHead()

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
        def service(self, details: Any) -> Any:
            return head.service(details)

    options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    head.server = grpc.server(ThreadPoolExecutor(8), handlers=(Handler(),), options=options)
    head.port = head.server.add_insecure_port("127.0.0.1:0")
    head.server.start()
    try:
        yield head
    finally:
        head.go_on.set()
        head.server.stop(0).wait(10)
