"""Vertex's control plane on ports of this machine, and Google's own SDK pointed at it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cloud import labfile
from cloud.access import Access
from cloud.authority import Authority, load_authority
from cloud.config import LAB_FILE
from cloud.tokens import Tokens
from cloud.vertex import store
from cloud.vertex.clusters import Clusters
from cloud.vertex.permission import Permission
from cloud.vertex.server import ControlPlane
from cloud.world import World
from tests.fakes import FakeNodes

T = TypeVar("T")
REGION = "us-central1"
PARENT = f"projects/123456789012/locations/{REGION}"
HOST = f"{REGION}-aiplatform.googleapis.com"


@dataclass(slots=True)
class LabVertex:
    """One that runs in a thread. `port` is its TLS door."""

    plane: ControlPlane
    nodes: FakeNodes
    world: World
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
    folder: Path, nodes: FakeNodes | None = None, ready: float = 5, dashboard_port: int = 8265
) -> Iterator[LabVertex]:
    """The control plane over the double, remembering in the folder. Ending it is what a kill is: nothing is ended."""
    world, tokens = labfile.load(LAB_FILE, None), Tokens(b"s" * 32)
    nodes = FakeNodes() if nodes is None else nodes
    authority = load_authority(folder)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[ControlPlane, int]:
        clusters = Clusters(store.load(folder), nodes, ready, poll=0.01)
        permission = Permission(lambda: Access(world, tokens))
        plane = ControlPlane(clusters, permission, dashboard_port)
        await plane.start()
        return plane, await plane.open("127.0.0.1", 0, authority.server_context(["http/1.1", "h2"]))

    plane, port = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    found = LabVertex(plane, nodes, world, tokens, authority, loop, port)
    try:
        yield found
    finally:
        for channel in found.channels:
            channel.close()
        found.run(plane.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
