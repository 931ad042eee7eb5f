"""Requests to the egress proxy as received, the headers to forward, and refusals."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from cloud.network.tunnel import CHUNK

# Hop-by-hop headers (RFC 9110, 7.6.1). Transfer-Encoding stays, because the body is forwarded as received.
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "upgrade", "host"}

REASONS = {400: "Bad Request", 403: "Forbidden", 407: "Proxy Authentication Required"}
REASONS |= {431: "Request Header Fields Too Large"}
REASONS |= {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Blocked(Exception):
    """A request that the proxy refuses, with the HTTP status of the response."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """A request line and its headers, as received."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]


async def read_request(reader: asyncio.StreamReader, seconds: float) -> ProxyRequest:
    """Read a request's headers. Raises Blocked: 400 if malformed or too slow, 431 if too long."""
    try:
        async with asyncio.timeout(seconds):
            text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise Blocked(431, f"The request headers exceed {CHUNK // 1024} KiB.") from None
    except TimeoutError:
        raise Blocked(400, f"The request was incomplete after {seconds:g} s.") from None
    line, *lines = text[:-4].split("\r\n")
    parts = re.fullmatch(r"([!-~]+) ([!-~]+) HTTP/1\.[01]", line)
    pairs = [re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)", field) for field in lines]
    if parts is None or None in pairs:
        raise Blocked(400, "This is not a valid HTTP/1 request.")
    return ProxyRequest(parts[1], parts[2], tuple((pair[1], pair[2]) for pair in pairs if pair))


def destination(request: ProxyRequest) -> tuple[str, int]:
    """The host and port of `CONNECT host:port` or `http://host/path`. Raises Blocked (400) for any other target."""
    connect = request.method == "CONNECT"
    try:
        url = urlsplit(f"//{request.target}" if connect else request.target)
        host, port = url.hostname, url.port or (None if connect else 80)
    except ValueError:
        host, port = None, None
    if not host or not port or (not connect and url.scheme.lower() != "http"):
        raise Blocked(400, "This is a proxy: send CONNECT host:port or an absolute URL, http://host/path.")
    return host, port


def origin_form(request: ProxyRequest) -> bytes:
    """The headers for the server (RFC 9112, 3.2.1), limited to one request per connection.

    A second request could be for a host that was not checked.
    """
    url = urlsplit(request.target)
    path = url._replace(scheme="", netloc="", path=url.path or "/", fragment="")
    target = path.path + (f"?{path.query}" if path.query else "")
    named = {n.strip().lower() for k, v in request.headers if k.lower() == "connection" for n in v.split(",")}
    dropped = HOP_BY_HOP | (named - {"transfer-encoding", "content-length"})
    lines = [
        f"{request.method} {target} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        "Connection: close",
    ]
    lines += [f"{name}: {value}" for name, value in request.headers if name.lower() not in dropped]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def send_refusal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refusal: Blocked) -> None:
    """Send an error response, then read from the client for up to 2 s so a TCP reset does not discard it."""
    body = f"{refusal}\n".encode()
    lines = [
        f"HTTP/1.1 {refusal.status} {REASONS[refusal.status]}",
        "Content-Type: text/plain; charset=utf-8",
    ]
    lines += [f"Content-Length: {len(body)}", "Connection: close"]
    if refusal.status == 407:
        lines.append('Proxy-Authenticate: Basic realm="raydock"')
    with suppress(OSError):
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        writer.write_eof()
        async with asyncio.timeout(2):
            while await reader.read(CHUNK):
                pass
