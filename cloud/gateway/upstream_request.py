"""The request that the gateway sends to Ray's dashboard: its URL and its headers."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from cloud.gateway import auth, credentials
from cloud.gateway.gate import Gate

# RFC 9110, 7.6.1. The gateway handles Expect itself.
HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"}
HOP |= {"trailer", "transfer-encoding", "upgrade", "expect"}
GATEWAY_HEADERS = {
    "host",
    "authorization",
    "cookie",
    "user-agent",
    "referer",
    "origin",
    "forwarded",
    "x-real-ip",
    "via",
}


def upstream_url(request: web.Request, gate: Gate) -> URL:
    """The dashboard's URL for a request."""
    return URL(gate.dashboard.rstrip("/") + credentials.without_token(request.raw_path), encoded=True)


def upstream_headers(request: web.Request) -> CIMultiDict[str]:
    """The headers to send to the dashboard."""
    headers = CIMultiDict((k, v) for k, v in end_to_end(request.headers) if not is_gateway_header(k))
    headers["User-Agent"] = request[auth.AGENT]
    pairs = [pair.strip() for line in request.headers.getall("Cookie", []) for pair in line.split(";")]
    if others := [pair for pair in pairs if pair and not pair.startswith(credentials.COOKIE)]:
        headers["Cookie"] = "; ".join(others)
    return headers


def is_gateway_header(name: str) -> bool:
    """Whether a request header is meant for the gateway rather than the dashboard."""
    return name.lower() in GATEWAY_HEADERS or name.lower().startswith("x-forwarded-")


def end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers, except hop-by-hop ones and those that `Connection` lists (RFC 9110, 7.6.1)."""
    named = {n.strip().lower() for k, v in headers.items() if k.lower() == "connection" for n in v.split(",")}
    return [(k, v) for k, v in headers.items() if k.lower() not in HOP | named]


def local_location(location: str, gate: Gate) -> str:
    """A redirect's target, rewritten to this gateway if it points at the dashboard's own address."""
    parts = urlsplit(location)
    if parts.netloc != urlsplit(gate.dashboard).netloc:
        return location
    return parts._replace(scheme="", netloc="", path="/" + parts.path.lstrip("/")).geturl()
