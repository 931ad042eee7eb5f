"""A TCP proxy on loopback that records what clients send, and a parser for the recorded HTTP requests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ProxiedRequest:
    """One HTTP request. `body` is the number of body bytes that were sent."""

    method: str
    path: str
    body: int


@dataclass(slots=True)
class Proxy:
    """Listens on a free port and forwards everything to `target`."""

    target: tuple[str, int]
    server: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    streams: list[bytearray] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The proxy's HTTP address."""
        return f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def take(self) -> list[ProxiedRequest]:
        """The requests since the last call. Call this only after the clients have finished."""
        streams, self.streams = self.streams, []
        return [request for stream in streams for request in requests(bytes(stream))]

    def serve(self) -> None:
        """Accept connections until the listening socket is closed."""
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            stream = bytearray()
            self.streams.append(stream)
            threading.Thread(target=self.forward, args=(client, stream), daemon=True).start()

    def forward(self, client: socket.socket, stream: bytearray) -> None:
        """Forward one connection in both directions until both sides close it."""
        with client, socket.create_connection(self.target, timeout=30) as server:
            server.settimeout(None)
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server, stream)
            back.join()


def pump(source: socket.socket, sink: socket.socket, copy: bytearray | None = None) -> None:
    """Copy bytes until the source ends, then shut down the sink for writing."""
    with suppress(OSError):
        while data := source.recv(65536):
            if copy is not None:
                copy += data
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxied(host: str, port: int) -> Iterator[Proxy]:
    """A running proxy for the given port."""
    proxy = Proxy((host, port))
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        with suppress(OSError):
            proxy.server.shutdown(socket.SHUT_RDWR)
        proxy.server.close()
        thread.join(timeout=5)


def requests(stream: bytes) -> Iterator[ProxiedRequest]:
    """Parse the HTTP/1.1 requests that were sent on one connection."""
    while stream:
        head, _, stream = stream.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in fields)
        }
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body, stream = chunked(stream)
        else:
            body = min(int(headers.get("content-length", "0")), len(stream))
            stream = stream[body:]
        yield ProxiedRequest(method, path, body)


def chunked(stream: bytes) -> tuple[int, bytes]:
    """The size of a chunked body in bytes, without its framing, and the rest of the stream."""
    total = 0
    while stream:
        size, _, stream = stream.partition(b"\r\n")
        count = int(size.split(b";")[0], 16)
        if count == 0:
            return total, stream.partition(b"\r\n")[2]
        total += min(count, len(stream))
        stream = stream[count + 2 :]
    return total, stream
