"""The counting proxy, with real sockets, clients and a real server."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from bench.measure.proxy import ProxiedRequest, proxied, requests


class Echo(http.server.BaseHTTPRequestHandler):
    """Responds with the length of the received body."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        data = str(len(self.rfile.read(int(self.headers.get("Content-Length", "0"))))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = answer

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def served() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def test_bytes_are_counted_per_request_and_forwarded_unchanged() -> None:
    with served() as port, proxied("127.0.0.1", port) as proxy:
        with httpx.Client(base_url=proxy.address, trust_env=False) as client:
            assert client.get("/api/version").text == "0"
            assert client.put("/api/packages/gcs/a.zip", content=b"\r\n\r\nPUT " * 100_000).text == "800000"
            assert client.put("/api/packages/gcs/b.zip", content=b"xyz").text == "3"
        assert proxy.take() == [
            ProxiedRequest("GET", "/api/version", 0),
            ProxiedRequest("PUT", "/api/packages/gcs/a.zip", 800_000),
            ProxiedRequest("PUT", "/api/packages/gcs/b.zip", 3),
        ]
        assert proxy.take() == []
        httpx.get(f"{proxy.address}/again", trust_env=False)
        assert proxy.take() == [ProxiedRequest("GET", "/again", 0)]


def test_a_stopped_proxy_accepts_no_connections() -> None:
    with proxied("127.0.0.1", 9) as proxy:
        address = proxy.address
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)


def test_chunked_bodies_count_without_framing() -> None:
    stream = (
        b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\nA;name=value\r\n0123456789\r\n0\r\n\r\n"
        b"GET /y HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    assert list(requests(stream)) == [ProxiedRequest("PUT", "/x", 15), ProxiedRequest("GET", "/y", 0)]


def test_a_truncated_body_counts_what_was_sent() -> None:
    head = b"PUT /x HTTP/1.1\r\ncontent-length: 100\r\n\r\n"
    assert list(requests(head + b"x" * 40)) == [ProxiedRequest("PUT", "/x", 40)]
