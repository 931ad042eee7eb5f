"""The one published port of the lab, in front of Ray's dashboard.

What reaches the dashboard has been let in by its key or its session (cloud/gateway/auth.py). What is passed on:

- not the key, our cookies, `token` in the query, Referer, Origin or X-Forwarded-*: Ray's access log holds the
  request line and the Referer.
- User-Agent: Ray answers 500 where there is none, and refuses POST and PUT from "Mozilla…" as its only guard
  against browsers (http_server_head.py, `browsers_no_post_put_middleware`). A browser's session keeps its
  own, so that guard stays up behind ours: the dashboard's page only ever sends GET. A program that holds the
  key and calls itself Mozilla (PowerShell does) goes by this gateway's name instead, as does one without.
- bodies as they are, compressed or not, chunk by chunk; the slower side sets the pace.

A job is started only where the head has room for it (cloud/gateway/job_limit.py); otherwise the answer is 429.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from cloud.gateway import auth
from cloud.gateway.access_log import PathLog, http_log
from cloud.gateway.auth import Gate, Handler, refused
from cloud.gateway.job_limit import WAIT, Full
from cloud.gateway.websocket import joined

__all__ = ["Gate", "Handler", "application"]

CONNECT = (
    5.0  # seconds to reach the dashboard; log streams may be silent for hours, so there is no other limit
)
LINGER = 30.0  # seconds that an unread body is still taken, so that its sender comes to read the answer
BUFFER = 2**18  # bytes read ahead from each side
UPSTREAM = web.AppKey("upstream", aiohttp.ClientSession)
# RFC 9110, 7.6.1; Expect is answered here.
HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"}
HOP |= {"trailer", "transfer-encoding", "upgrade", "expect"}
OURS = {"host", "authorization", "cookie", "user-agent", "referer", "origin", "forwarded", "x-real-ip", "via"}
DOWN = (
    "Ray's dashboard does not answer, so the head node is down or starting: `make cluster-status` says which."
)

log = logging.getLogger("raydock.gateway")


def application(gate: Gate, mounts: Mapping[str, Handler] = MappingProxyType({})) -> web.Application:
    """The gateway, with `mounts` from path prefix to handler.

    A mount decides alone who may use it: neither the key nor the cookie is asked for there, Host and Origin
    are. It reads bodies as they were sent (gzip is not undone), and no limit but its own applies to them.
    """
    for prefix in mounts:
        if not (prefix.startswith("/") and prefix.endswith("/") and len(prefix) > 2):
            raise ValueError(f"a mount's prefix looks like /name/, not {prefix!r}")

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if sentence := auth.misdirected(request, gate):
            return refused(request, 403, sentence)
        return await auth.admit(request, gate, mounts, handler)

    async def forward(request: web.Request) -> web.StreamResponse:
        return await passed_on(request, gate)

    app = web.Application(middlewares=[guard], client_max_size=gate.limit, handler_args=server_options())
    app.router.add_route("*", "/{path:.*}", forward, expect_handler=wait)
    app.cleanup_ctx.append(upstream)
    app.on_response_prepare.append(hardened)
    return app


def server_options() -> dict[str, Any]:
    """How aiohttp reads requests that are passed on: bodies as they are, and nothing logged that holds a key."""
    reading = {"auto_decompress": False, "handler_cancellation": True, "lingering_time": LINGER}
    return {**reading, "access_log_class": PathLog, "logger": http_log(), "read_bufsize": BUFFER}


async def wait(_: web.Request) -> None:
    """`Expect: 100-continue` is answered when the body is wanted, so a refusal comes before it is sent."""


async def passed_on(request: web.Request, gate: Gate) -> web.StreamResponse:
    """A request of somebody who may come in; the start of a job where the head has room for it."""
    if upgrades(request):
        return await relay(request, gate)
    # Ray's router decodes a path before it looks for the route.
    if not gate.room.most or request.method != "POST" or unquote(auth.path_of(request)) != "/api/jobs/":
        return await exchange(request, gate)
    body = Body(request, gate.limit)
    try:
        content = b"".join([chunk async for chunk in body.chunks()])  # before a place is taken
        async with gate.room.place(request.app[UPSTREAM], gate.dashboard):
            return await exchange(request, gate, content)
    except Full as full:
        answer = refused(request, 429, str(full))
        answer.headers["Retry-After"] = str(WAIT)
        return answer
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return auth.too_large(request, gate) if body.over else unreachable(request, error)


@dataclass(slots=True)
class Body:
    """A request's body on its way, counted, as a chunked one does not say its length before."""

    request: web.Request
    limit: int
    over: bool = False

    async def chunks(self) -> AsyncIterator[bytes]:
        size = 0
        await auth.proceed(self.request)
        async for chunk in self.request.content.iter_any():
            size += len(chunk)
            self.over = size > self.limit
            if self.over:
                raise ValueError("body over the limit")  # ends the request upstream without its last chunk
            yield chunk


async def exchange(request: web.Request, gate: Gate, content: bytes | None = None) -> web.StreamResponse:
    """One request to the dashboard and its answer; a client that leaves cancels it (handler_cancellation).

    `content` is the body, where it was read already.
    """
    body = Body(request, gate.limit)
    try:
        answer = await request.app[UPSTREAM].request(
            request.method,
            target(request, gate),
            headers=outward(request),
            data=content if content is not None else body.chunks() if request.body_exists else None,
            allow_redirects=False,
        )
    except (aiohttp.ClientError, TimeoutError) as error:
        return auth.too_large(request, gate) if body.over else unreachable(request, error)
    try:
        return await passed(request, answer, gate)
    finally:
        answer.close()


def unreachable(request: web.Request, error: Exception) -> web.Response:
    log.warning("%s %s: %s", request.method, auth.path_of(request), type(error).__name__)
    return refused(request, 502, DOWN)


def target(request: web.Request, gate: Gate) -> URL:
    return URL(gate.dashboard.rstrip("/") + auth.without_token(request.raw_path), encoded=True)


def outward(request: web.Request) -> CIMultiDict[str]:
    """The headers for the dashboard."""
    headers = CIMultiDict((k, v) for k, v in end_to_end(request.headers) if not ours(k))
    headers["User-Agent"] = request[auth.AGENT]
    pairs = [pair.strip() for line in request.headers.getall("Cookie", []) for pair in line.split(";")]
    if others := [pair for pair in pairs if pair and not pair.startswith(auth.COOKIE)]:
        headers["Cookie"] = "; ".join(others)
    return headers


def ours(name: str) -> bool:
    return name.lower() in OURS or name.lower().startswith("x-forwarded-")


def end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Without what is between two neighbours only, and what `Connection` names (RFC 9110, 7.6.1)."""
    named = {n.strip().lower() for k, v in headers.items() if k.lower() == "connection" for n in v.split(",")}
    return [(k, v) for k, v in headers.items() if k.lower() not in HOP | named]


async def passed(request: web.Request, answer: aiohttp.ClientResponse, gate: Gate) -> web.StreamResponse:
    """The answer, each chunk at once; where the dashboard dies amid it, the client's connection is cut."""
    headers = CIMultiDict(end_to_end(answer.headers))
    if "Location" in headers:
        headers["Location"] = here(headers["Location"], gate)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except aiohttp.ClientError as error:
        log.warning("%s %s cut short: %s", request.method, auth.path_of(request), type(error).__name__)
        cut(request)
    return response


def here(location: str, gate: Gate) -> str:
    """A redirect to the dashboard's own address leads back through this gateway."""
    parts = urlsplit(location)
    if parts.netloc != urlsplit(gate.dashboard).netloc:
        return location
    return parts._replace(scheme="", netloc="", path="/" + parts.path.lstrip("/")).geturl()


def cut(request: web.Request) -> None:
    """Ends the connection by a reset: even HTTP/1.0, where a close is the end, can't take it for complete."""
    if request.transport is not None:
        own = request.transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()


def upgrades(request: web.Request) -> bool:
    return request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket"


async def relay(request: web.Request, gate: Gate) -> web.StreamResponse:
    """A websocket to the dashboard, both ways, pings and close codes included."""
    headers = CIMultiDict(
        (k, v) for k, v in outward(request).items() if not k.lower().startswith("sec-websocket-")
    )
    protocols = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if p.strip()]
    connect = request.app[UPSTREAM].ws_connect(
        target(request, gate),
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
        return refused(request, status, f"The dashboard opened no websocket, but answered {error.status}.")
    except (aiohttp.ClientError, TimeoutError) as error:
        return unreachable(request, error)
    chosen = [far.protocol] if far.protocol else []
    near = web.WebSocketResponse(protocols=chosen, autoclose=False, autoping=False, max_msg_size=0)
    try:
        await near.prepare(request)
        if not await joined(near, far):
            cut(request)
    finally:
        far._response.close()  # at once: close() would wait for a client that has gone
    return near


async def upstream(app: web.Application) -> AsyncIterator[None]:
    """The client: a connection a request, as a kept one may be dead by the time a POST finds out.

    It keeps no cookie: one client's would be sent with the next one's request.
    """
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT)
    connector = aiohttp.TCPConnector(limit=0, force_close=True, ttl_dns_cache=1)
    own = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # sent only where the client did
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=own,
        read_bufsize=BUFFER,
    ) as app[UPSTREAM]:
        # Without: aiohttp sends a GET or DELETE again whose first answer was lost. It has no public switch.
        app[UPSTREAM]._retry_connection = False
        yield


async def hardened(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["X-Content-Type-Options"] = "nosniff"
