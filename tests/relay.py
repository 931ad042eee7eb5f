"""A TCP relay that breaks connections off after so many bytes, whatever the protocol is.

with Relay(server.port) as relay:
    relay.cut_after(3000)                  # all connections, once the server has sent 3,000 more bytes
    ... connect to relay.port ...
    relay.wait_until_cut()
"""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress


class Relay:
    """Passes connections to `host` on to a port of 127.0.0.1. Thread-safe."""

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self.target, self.open, self.cuts = target, set[socket.socket](), 0
        self.left: int | None = None  # bytes from the server until the next cut
        self.lock = threading.Condition()
        self.listener = socket.create_server((host, 0))
        self.port = int(self.listener.getsockname()[1])
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self) -> Relay:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        with self.lock:
            self.end_connections()

    def cut_after(self, size: int) -> None:
        """Arms one cut: `size` more bytes arrive, then every open connection ends."""
        with self.lock:
            self.left = size

    def wait_until_cut(self) -> None:
        """Waits until the armed cut has happened. The limit catches a fault, not a slow machine."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.left is None, timeout=600)

    def accept(self) -> None:
        """Relays each connection in a thread, until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client: socket.socket) -> None:
        """Passes bytes on in both directions until either side ends."""
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as server:
            with self.lock:
                self.open.add(client)
            with selectors.DefaultSelector() as ready:
                ready.register(client, selectors.EVENT_READ)
                ready.register(server, selectors.EVENT_READ)
                while all(self.passed_on(one.fileobj, client, server) for one, _ in ready.select()):
                    pass
        with self.lock:
            self.open.discard(client)

    def passed_on(self, source: object, client: socket.socket, server: socket.socket) -> bool:
        """Passes on what has arrived from one side. Returns whether the connection is still open."""
        if source is client:
            data = client.recv(65536)
            server.sendall(data)
            return bool(data)
        data = server.recv(65536)
        with self.lock:
            due = self.left is not None and self.left <= len(data)
            allowed = data[: self.left] if due else data
            if self.left is not None and not due:
                self.left -= len(data)
        client.sendall(allowed)
        if due:
            self.cut()
        return bool(data) and not due

    def cut(self) -> None:
        """Ends every open connection, once for each armed cut."""
        with self.lock:
            self.end_connections()
            if self.left is not None:
                self.left, self.cuts = None, self.cuts + 1
            self.lock.notify_all()

    def end_connections(self) -> None:
        """Ends every open connection."""
        for client in self.open:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self.open.clear()
