"""The gateway: the lab's only published port, in front of Ray's dashboard.

Requests to the dashboard are authenticated by key or session (cloud/gateway/auth.py). When forwarding them:

- The gateway removes the key, its own cookies, `token` in the query, Referer, Origin and X-Forwarded-*, because Ray's
  access log contains the request line and the Referer.
- User-Agent: Ray returns 500 without one, and refuses POST and PUT from "Mozilla…" as its only protection against
  browsers (http_server_head.py, `browsers_no_post_put_middleware`). A browser session keeps its User-Agent, so Ray's
  protection still applies: the dashboard's page sends only GET. For a program that sends the key with a Mozilla
  User-Agent (as PowerShell does) or without any, the gateway sends its own name.
- Bodies pass through unchanged, compressed or not, chunk by chunk, with backpressure.

If a new job can't start now (cloud/gateway/job_limit.py), the gateway responds with 429.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from cloud.gateway import auth
from cloud.gateway.access_log import PathLog, http_log
from cloud.gateway.auth import Handler, refused
from cloud.gateway.gate import Gate
from cloud.gateway.job_limit import RETRY_AFTER, TooManyJobs, asks_alone
from cloud.gateway.upstream_request import end_to_end, local_location, upstream_headers, upstream_url
from cloud.gateway.websocket import relay

__all__ = ["Gate", "Handler", "application"]

CONNECT = 5.0  # seconds to reach the dashboard; the only timeout, because log streams may be silent for hours
LINGER = 30.0  # seconds to drain an unread body, so its sender gets to read the response
BUFFER = 2**18  # bytes to read ahead on each side
JOB_API = ("/api/jobs", "/api/packages", "/api/version")
AWAY = "The control plane is away: a fault on purpose. To end it: python -m cluster fault clear"
UPSTREAM = web.AppKey("upstream", aiohttp.ClientSession)
DOWN = (
    "Ray's dashboard does not respond: the head node is down or starting. `make cluster-status` shows which."
)

log = logging.getLogger("raydock.gateway")


def application(gate: Gate, mounts: Mapping[str, Handler] = MappingProxyType({})) -> web.Application:
    """The gateway's application. `mounts` maps path prefixes to handlers.

    A mount does its own authentication: the gateway checks Host and Origin there, but not the key or the cookie. It
    receives bodies as sent (gzip is not decoded) and enforces its own size limit.

    Raises ValueError for a malformed prefix.
    """
    for prefix in mounts:
        if not (prefix.startswith("/") and prefix.endswith("/") and len(prefix) > 2):
            raise ValueError(f"invalid mount prefix {prefix!r}: it must look like /name/")

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if reason := auth.wrong_host_or_origin(request, gate):
            return refused(request, 403, reason)
        return await auth.admit(request, gate, mounts, handler)

    async def forward(request: web.Request) -> web.StreamResponse:
        return await proxy_request(request, gate)

    app = web.Application(middlewares=[guard], client_max_size=gate.limit, handler_args=server_options())
    app.router.add_route("*", "/{path:.*}", forward, expect_handler=defer_continue)
    app.cleanup_ctx.append(upstream)
    app.on_response_prepare.append(add_security_headers)
    return app


def server_options() -> dict[str, Any]:
    """aiohttp's options for forwarded requests: bodies stay encoded, and logs contain no keys."""
    reading = {"auto_decompress": False, "handler_cancellation": True, "lingering_time": LINGER}
    return {**reading, "access_log_class": PathLog, "logger": http_log(), "read_bufsize": BUFFER}


async def defer_continue(_: web.Request) -> None:
    """Delay the response to `Expect: 100-continue` until the body is read, so a refused client need not send it."""


async def proxy_request(request: web.Request, gate: Gate) -> web.StreamResponse:
    """Forward an authenticated request. Responds with 429 to a new job that can't start now."""
    if unquote(auth.path_of(request)).startswith(JOB_API) and gate.faults.control_plane():
        return refused(request, 503, AWAY)
    if is_websocket(request):
        return await proxy_websocket(request, gate)
    # Ray's router decodes the path before matching its routes.
    if request.method != "POST" or unquote(auth.path_of(request)) != "/api/jobs/":
        return await proxy_http(request, gate)
    body = Body(request, gate.limit)
    try:
        content = b"".join([chunk async for chunk in body.chunks()])  # before a slot is taken
        async with gate.job_limit.slot(request.app[UPSTREAM], gate.dashboard, asks_alone(content)):
            return await proxy_http(request, gate, content)
    except TooManyJobs as error:
        answer = refused(request, 429, str(error))
        answer.headers["Retry-After"] = str(RETRY_AFTER)
        return answer
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return auth.too_large(request, gate) if body.over else unreachable(request, error)


@dataclass(slots=True)
class Body:
    """A request body, counted as it streams: a chunked body does not announce its length."""

    request: web.Request
    limit: int
    over: bool = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's chunks. Raises ValueError once the limit is exceeded."""
        size = 0
        await auth.send_continue(self.request)
        async for chunk in self.request.content.iter_any():
            size += len(chunk)
            self.over = size > self.limit
            if self.over:
                raise ValueError("body over the limit")  # aborts the upstream request before its last chunk
            yield chunk


async def proxy_http(request: web.Request, gate: Gate, content: bytes | None = None) -> web.StreamResponse:
    """Forward one request to the dashboard. A client that disconnects cancels it (handler_cancellation).

    `content` is the body if it has already been read.
    """
    body = Body(request, gate.limit)
    try:
        answer = await request.app[UPSTREAM].request(
            request.method,
            upstream_url(request, gate),
            headers=upstream_headers(request),
            data=content if content is not None else body.chunks() if request.body_exists else None,
            allow_redirects=False,
        )
    except (aiohttp.ClientError, TimeoutError) as error:
        return auth.too_large(request, gate) if body.over else unreachable(request, error)
    try:
        return await relay_response(request, answer, gate)
    finally:
        answer.close()


def unreachable(request: web.Request, error: Exception) -> web.Response:
    """The 502 for a dashboard that does not respond."""
    log.warning("%s %s: %s", request.method, auth.path_of(request), type(error).__name__)
    return refused(request, 502, DOWN)


async def relay_response(
    request: web.Request, answer: aiohttp.ClientResponse, gate: Gate
) -> web.StreamResponse:
    """Stream the dashboard's response. Resets the client's connection if the dashboard fails midway."""
    headers = CIMultiDict(end_to_end(answer.headers))
    if "Location" in headers:
        headers["Location"] = local_location(headers["Location"], gate)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except aiohttp.ClientError as error:
        log.warning("%s %s cut short: %s", request.method, auth.path_of(request), type(error).__name__)
        reset_connection(request)
    return response


def reset_connection(request: web.Request) -> None:
    """End the connection with a TCP reset, so even an HTTP/1.0 client can't mistake the response for a complete one."""
    if request.transport is not None:
        own = request.transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()


def is_websocket(request: web.Request) -> bool:
    """Whether a request opens a websocket."""
    return request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket"


async def proxy_websocket(request: web.Request, gate: Gate) -> web.StreamResponse:
    """Forward a websocket to the dashboard."""
    headers = CIMultiDict(
        (k, v) for k, v in upstream_headers(request).items() if not k.lower().startswith("sec-websocket-")
    )
    protocols = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if p.strip()]
    connect = request.app[UPSTREAM].ws_connect(
        upstream_url(request, gate),
        headers=headers,
        protocols=protocols,
        autoclose=False,
        autoping=False,
        max_msg_size=0,
    )
    try:
        far = await connect
    except aiohttp.WSServerHandshakeError as error:
        status = error.status if error.status >= 400 else 502
        return refused(
            request, status, f"The dashboard did not open a websocket: it returned {error.status}."
        )
    except (aiohttp.ClientError, TimeoutError) as error:
        return unreachable(request, error)
    chosen = [far.protocol] if far.protocol else []
    near = web.WebSocketResponse(protocols=chosen, autoclose=False, autoping=False, max_msg_size=0)
    try:
        await near.prepare(request)
        if not await relay(near, far):
            reset_connection(request)
    finally:
        far._response.close()  # immediately: close() would wait for a client that has disconnected
    return near


async def upstream(app: web.Application) -> AsyncIterator[None]:
    """The HTTP client for the dashboard.

    It opens one connection per request, because a POST can't be retried if a kept-alive connection turns out to be
    dead. It stores no cookies, which would leak from one caller's request into the next.
    """
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT)
    connector = aiohttp.TCPConnector(limit=0, force_close=True, ttl_dns_cache=1)
    own = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # sent only if the client sent them
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=own,
        read_bufsize=BUFFER,
    ) as app[UPSTREAM]:
        # Otherwise aiohttp resends a GET or DELETE whose first response was lost. There is no public option.
        app[UPSTREAM]._retry_connection = False
        yield


async def add_security_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Forbid framing and content sniffing."""
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["X-Content-Type-Options"] = "nosniff"
