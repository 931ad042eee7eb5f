"""The gateway in front of a small server: authentication, and what it forwards."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from yarl import URL

from cloud.gateway import auth, credentials
from cloud.gateway.proxy import Gate, Handler, application

KEY = "open-sesame"
SHA = hashlib.sha256(KEY.encode()).hexdigest()
SECRET = bytes(32)
BEARER = {"Authorization": f"Bearer {KEY}"}


@dataclass
class Upstream:
    """A fake dashboard that records requests and holds the events its routes wait for."""

    seen: list[web.Request] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)
    sent: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        route = getattr(self, request.path.strip("/"), None) or self.echo
        try:
            return await route(request)
        except asyncio.CancelledError:
            self.gone.set()
            raise

    async def echo(self, request: web.Request) -> web.StreamResponse:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        self.bodies.append(size)
        return web.json_response({"size": size}, headers={"X-Multi": "1", "Keep-Alive": "timeout=1"})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\n")
        await self.go.wait()
        await response.write(b"two\n")
        return response

    async def flood(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(4096):
            await response.write(bytes(2**16))
            self.sent += 2**16
        return response

    async def deaf(self, request: web.Request) -> web.StreamResponse:
        await self.go.wait()
        return web.Response()

    async def dies(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"} if "length" in request.query else {})
        await response.prepare(request)
        await response.write(b"some")
        await asyncio.sleep(0.05)  # time to send the bytes
        assert request.transport is not None
        request.transport.close()
        return response

    async def drops(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def absent(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    async def packed(self, request: web.Request) -> web.StreamResponse:
        body = gzip.compress(b"hello " * 1000)
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async def moved(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": request.query["to"]})

    async def cookies(self, request: web.Request) -> web.StreamResponse:
        headers: list[tuple[str, str]] = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")]
        return web.Response(headers=headers)

    async def ws(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=["tail"], max_msg_size=0, autoping=False)
        await socket.prepare(request)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            elif message.data == "close":
                await socket.close(code=4001, message=b"done")
            elif message.data == "die":
                assert request.transport is not None
                request.transport.abort()
            elif message.type is aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            else:
                await socket.send_str(message.data)
        self.sent = socket.close_code or 0
        self.gone.set()
        return socket


@dataclass
class Lab:
    upstream: Upstream
    port: int
    base: str
    client: aiohttp.ClientSession

    async def raw(self, text: str) -> tuple[int, str]:
        """Send a raw request, with {port} filled in. Returns the status and the whole response."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text.replace("\n", "\r\n").replace("{port}", str(self.port)).encode())
        try:
            async with asyncio.timeout(5):
                answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        return int(answer.split()[1]), answer


@asynccontextmanager
async def lab(
    mounts: dict[str, Handler] | None = None, dashboard: str = "http://127.0.0.1:{port}", **gate: Any
) -> AsyncIterator[Lab]:
    upstream = Upstream()
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", upstream.handle)
    async with TestServer(app, host="127.0.0.1") as far:
        rules = Gate(dashboard.format(port=far.port), **{"key_sha256": SHA, "secret": SECRET} | gate)
        # as in production: a TestServer would set its own options
        runner = web.AppRunner(application(rules, mounts or {}), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{(port := runner.addresses[0][1])}"
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(base, auto_decompress=False, cookie_jar=jar) as client:
            yield Lab(upstream, port, base, client)
        await runner.cleanup()


def run(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine as a test, with a deadline."""

    @wraps(test)
    def runs(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 240))

    return runs


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def still(value: Callable[[], int]) -> int:
    """The value once it has been stable for half a second."""
    last = -1
    async with asyncio.timeout(120):
        while (now := value()) != last or now == 0:
            last = now
            await asyncio.sleep(0.5)
    return last


HOST = "Host: 127.0.0.1:{port}\n"
END = "Connection: close\n\n"
AUTH = f"Authorization: Bearer {KEY}\n"
UPGRADE = (
    "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
)

HOSTILE = {
    "foreign host": (f"GET /api/jobs/ HTTP/1.1\nHost: evil.example\n{AUTH}{END}", {403}),
    "foreign host, the port right": (f"GET / HTTP/1.1\nHost: evil.example:{{port}}\n{AUTH}{END}", {403}),
    "host with a user": (f"GET / HTTP/1.1\nHost: 127.0.0.1@evil.example\n{AUTH}{END}", {403}),
    "host with a tail": (f"GET / HTTP/1.1\nHost: localhost.evil.example\n{AUTH}{END}", {403}),
    "no host": (f"GET / HTTP/1.0\n{AUTH}{END}", {403}),
    "no host, 1.1": (f"GET / HTTP/1.1\n{AUTH}{END}", {400, 403}),
    "empty host": (f"GET / HTTP/1.1\nHost:\n{AUTH}{END}", {400, 403}),
    "two hosts": (f"GET / HTTP/1.1\n{HOST}Host: evil.example\n{AUTH}{END}", {400, 403}),
    "two hosts in one": (f"GET / HTTP/1.1\nHost: 127.0.0.1, evil.example\n{AUTH}{END}", {403}),
    "absolute form": (f"GET http://evil.example/ HTTP/1.1\n{HOST}{AUTH}{END}", {403}),
    "absolute form, our host": (f"GET http://127.0.0.1:{{port}}/ HTTP/1.1\n{HOST}{AUTH}{END}", {403}),
    "foreign host at a login": (f"GET /login HTTP/1.1\nHost: evil.example\n{END}", {403}),
    "foreign host with a link": (f"GET /?token={KEY} HTTP/1.1\nHost: evil.example\n{END}", {403}),
    "foreign host at a mount": (f"GET /google/x HTTP/1.1\nHost: evil.example\n{END}", {403}),
    "foreign origin": (f"GET / HTTP/1.1\n{HOST}Origin: http://evil.example\n{AUTH}{END}", {403}),
    "origin null": (f"GET / HTTP/1.1\n{HOST}Origin: null\n{AUTH}{END}", {403}),
    "origin of another port": (f"GET / HTTP/1.1\n{HOST}Origin: http://127.0.0.1:1\n{AUTH}{END}", {403}),
    "origin of another scheme": (
        f"GET / HTTP/1.1\n{HOST}Origin: https://127.0.0.1:{{port}}\n{AUTH}{END}",
        {403},
    ),
    "two origins": (
        f"GET / HTTP/1.1\n{HOST}Origin: http://127.0.0.1:{{port}}\nOrigin: null\n{AUTH}{END}",
        {403},
    ),
    "foreign origin at a mount": (f"GET /google/x HTTP/1.1\n{HOST}Origin: http://a.b\n{END}", {403}),
    "foreign origin at the login": (f"POST /login HTTP/1.1\n{HOST}Origin: http://a.b\n{END}", {403}),
    "foreign origin, websocket": (f"GET /ws HTTP/1.1\n{HOST}Origin: http://a.b\n{AUTH}{UPGRADE}\n", {403}),
    "cross-site write": (f"DELETE /x HTTP/1.1\n{HOST}Sec-Fetch-Site: cross-site\n{AUTH}{END}", {403}),
    "cross-site read without a key": (f"GET /x HTTP/1.1\n{HOST}Sec-Fetch-Site: cross-site\n{END}", {403}),
    "another port's page": (f"GET /x HTTP/1.1\n{HOST}Sec-Fetch-Site: same-site\n{END}", {403}),
    "cross-site write at a mount": (
        f"POST /google/x HTTP/1.1\n{HOST}Sec-Fetch-Site: cross-site\n{END}",
        {403},
    ),
    "no key": (f"GET /api/jobs/ HTTP/1.1\n{HOST}{END}", {401}),
    "wrong key": (f"GET / HTTP/1.1\n{HOST}Authorization: Bearer nope\n{END}", {401}),
    "key's hash as the key": (f"GET / HTTP/1.1\n{HOST}Authorization: Bearer {SHA}\n{END}", {401}),
    "not ASCII": (f"GET / HTTP/1.1\n{HOST}Authorization: Bearer \u00fc\n{END}", {400, 401}),
    "key as Basic": (f"GET / HTTP/1.1\n{HOST}Authorization: Basic {KEY}\n{END}", {401}),
    "key, then a wrong one": (f"GET / HTTP/1.1\n{HOST}{AUTH}Authorization: Bearer x\n{END}", {401}),
    "key as the cookie": (f"GET / HTTP/1.1\n{HOST}Cookie: raydock_{{port}}={KEY}\n{END}", {401}),
    "wrong cookie": (f"GET / HTTP/1.1\n{HOST}Cookie: raydock_{{port}}=9999999999.{'0' * 64}\n{END}", {401}),
    "odd cookie": (f"GET / HTTP/1.1\n{HOST}Cookie: raydock_{{port}}=9999999999\n{END}", {401}),
    "key as another parameter": (f"GET /?key={KEY} HTTP/1.1\n{HOST}{END}", {401}),
    "key in the path": (f"GET /token={KEY} HTTP/1.1\n{HOST}{END}", {401}),
    "key in a POST's query": (f"POST /api/jobs/?token={KEY} HTTP/1.1\n{HOST}Content-Length: 0\n{END}", {401}),
    "wrong link": (f"GET /?token=nope HTTP/1.1\n{HOST}{END}", {401}),
    "two tokens": (f"GET /?token={KEY}&token=nope HTTP/1.1\n{HOST}{END}", {401}),
    "HEAD": (f"HEAD / HTTP/1.1\n{HOST}{END}", {401}),
    "OPTIONS": (f"OPTIONS /api/jobs/ HTTP/1.1\n{HOST}{END}", {401}),
    "OPTIONS *": (f"OPTIONS * HTTP/1.1\n{HOST}{END}", {401}),
    "TRACE": (f"TRACE / HTTP/1.1\n{HOST}{END}", {401}),
    "TRACE with the key": (f"TRACE / HTTP/1.1\n{HOST}{AUTH}{END}", {405}),
    "CONNECT": (f"CONNECT evil.example:443 HTTP/1.1\n{HOST}\n", {401}),
    "CONNECT with the key": (f"CONNECT evil.example:443 HTTP/1.1\n{HOST}{AUTH}\n", {404, 405}),
    "DELETE": (f"DELETE /api/jobs/x HTTP/1.1\n{HOST}{END}", {401}),
    "unknown verb": (f"BREW / HTTP/1.1\n{HOST}{END}", {400, 401}),
    "websocket": (f"GET /ws HTTP/1.1\n{HOST}{UPGRADE}\n", {401}),
    "upgrade to h2c": (f"GET / HTTP/1.1\n{HOST}Connection: Upgrade\nUpgrade: h2c\n\n", {401}),
    "unknown path": (f"GET /nope HTTP/1.1\n{HOST}{END}", {401}),
    "two slashes": (f"GET //api/jobs/ HTTP/1.1\n{HOST}{END}", {401}),
    "two slashes and a host": (f"GET //evil.example/login HTTP/1.1\n{HOST}{END}", {401}),
    "dots": (f"GET /%2e%2e/api/jobs/ HTTP/1.1\n{HOST}{END}", {401}),
    "dots with the key": (f"GET /static/../api/jobs/ HTTP/1.1\n{HOST}{AUTH}{END}", {400}),
    "login and dots": (f"GET /login/../api/jobs/ HTTP/1.1\n{HOST}{END}", {401}),
    "login and encoded dots": (f"GET /login%2f..%2fapi/jobs/ HTTP/1.1\n{HOST}{END}", {401}),
    "login and a tail": (f"GET /login/ HTTP/1.1\n{HOST}{END}", {401}),
    "login with a parameter": (f"GET /login;/api/jobs/ HTTP/1.1\n{HOST}{END}", {401}),
    "DELETE of the login": (f"DELETE /login HTTP/1.1\n{HOST}{END}", {401}),
    "mount and dots": (f"GET /google/../api/jobs/ HTTP/1.1\n{HOST}{END}", {400}),
    "mount and encoded dots": (f"GET /google/%2E./api/jobs/ HTTP/1.1\n{HOST}{END}", {400}),
    "mount without its slash": (f"GET /google HTTP/1.1\n{HOST}{END}", {401}),
    "mount's name longer": (f"GET /google-x/ HTTP/1.1\n{HOST}{END}", {401}),
    "mount's slash encoded": (f"GET /google%2f../api/jobs/ HTTP/1.1\n{HOST}{END}", {401}),
    "mount's name encoded": (f"GET /%67oogle/x HTTP/1.1\n{HOST}{END}", {401}),
    "mount in capitals": (f"GET /Google/x HTTP/1.1\n{HOST}{END}", {401}),
    "mount after a slash": (f"GET //google/x HTTP/1.1\n{HOST}{END}", {401}),
    "mount in the query": (f"GET /api/jobs/?/google/ HTTP/1.1\n{HOST}{END}", {401}),
    "smuggled length": (
        f"POST / HTTP/1.1\n{HOST}{AUTH}Content-Length: 3\nTransfer-Encoding: chunked\n{END}0\n\n",
        {400},
    ),
}


async def mount(request: web.Request) -> web.StreamResponse:
    return web.Response(status=299, text=f"{request.raw_path} {(await request.read())!r}")


@pytest.mark.parametrize("name", HOSTILE)
@run
async def test_a_hostile_request_is_refused_and_never_reaches_the_dashboard(name: str) -> None:
    text, statuses = HOSTILE[name]
    async with lab({"/google/": mount}) as it:
        status, answer = await it.raw(text)
        assert status in statuses, answer
        assert it.upstream.seen == []
        assert ("WWW-Authenticate: Bearer" in answer) == (status == 401)


@run
async def test_an_encoded_slash_behind_a_mount_stays_with_the_mount() -> None:
    async with lab({"/google/": mount, "/google/storage/": mount}) as it:
        for path in ("/google/..%2fapi/jobs/", "/google/o/a%2F..%2Fb", "/google/..\\api/jobs/"):
            status, _ = await it.raw(f"GET {path} HTTP/1.1\n{HOST}{END}")
            assert status in {299, 400}
        assert it.upstream.seen == []


@run
async def test_a_mount_gets_the_request_unchanged() -> None:
    async with lab({"/google/": mount}, limit=3) as it:
        body = gzip.compress(b"x" * 100)
        headers = {"Content-Encoding": "gzip", "Expect": "100-continue"}
        answer = await it.client.post("/google/a?token=t", data=body, headers=headers)
        assert answer.status == 413  # from read(), which has the dashboard's limit; a streamed body has none
        answer = await it.client.post("/google/a?token=t", data=b"\x1f\x8b!", headers=headers)
        assert (answer.status, await answer.text()) == (299, "/google/a?token=t b'\\x1f\\x8b!'")


def test_a_mount_prefix_must_be_a_folder() -> None:
    for prefix in ("/", "google/", "/google", "//"):
        with pytest.raises(ValueError, match="look like /name/"):
            application(Gate("http://x", SHA), {prefix: mount})


def test_a_key_is_configured_by_its_hash() -> None:
    for wrong in (KEY, SHA.upper(), SHA[:-1]):
        with pytest.raises(ValueError, match="SHA-256"):
            Gate("http://x", wrong)


@run
async def test_without_a_key_every_request_is_refused() -> None:
    async with lab(key_sha256="") as it:
        forged = hmac.new(b"", b"raydock session 9999999999", "sha256").hexdigest()
        for headers in (
            {"Authorization": "Bearer "},
            {"Authorization": f"Bearer {KEY}"},
            {"Cookie": f"raydock_{it.port}=9999999999.{forged}"},
        ):
            assert (await it.client.get("/", headers=headers)).status == 401
        assert (await it.client.get("/?token=")).status == 401
        assert (await it.client.post("/login", data={"token": ""})).status == 401
        assert it.upstream.seen == []


@run
async def test_the_key_works_for_every_name_of_the_gateway() -> None:
    async with lab() as it:
        for host in ("127.0.0.1", "localhost", "LOCALHOST:1", "[::1]:8265"):
            answer = await it.client.get("/x", headers={**BEARER, "Host": host, "Origin": f"http://{host}"})
            assert answer.status == 200
        assert len(it.upstream.seen) == 4


@run
async def test_a_program_gets_the_command_and_a_browser_a_form() -> None:
    async with lab() as it:
        answer = await it.client.get("/")
        assert answer.content_type == "text/plain"
        assert await answer.text() == auth.ASK + "\n"
        assert "open the link that `python -m cluster status` prints" in auth.ASK
        assert answer.reason == auth.REASON
        with pytest.raises(requests.HTTPError, match="python -m cluster status"):
            (await asyncio.to_thread(requests.get, it.base, timeout=60)).raise_for_status()
        answer = await it.client.get("/", headers={"Accept": "text/html,*/*"})
        page = await answer.text()
        assert (answer.status, answer.content_type) == (401, "text/html")
        assert '<input type="password" name="token"' in page
        assert '<form method="post" action="/login">' in page
        assert re.findall(r'(?:src|href)="([^,]*),', page) == ["data:image/svg+xml"]  # self-contained
        assert "url(" not in page
        assert answer.headers["X-Frame-Options"] == "DENY"


@run
async def test_a_link_starts_a_session_that_survives_a_restart() -> None:
    async with lab() as it:
        link = f"/a%2Fb?x=%41&token={KEY}&y"
        answer = await it.client.get(as_is(it, link), allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/a%2Fb?x=%41&y")
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        (cookie,) = answer.headers.getall("Set-Cookie")
        value, *attributes = [part.strip() for part in cookie.split(";")]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
        assert value.startswith(f"raydock_{it.port}=")
        assert KEY not in f"{answer.headers}{await answer.text()}"
        assert SHA not in cookie
        assert it.upstream.seen == []
    async with lab() as again:
        value = f"raydock_{again.port}={value.partition('=')[2]}"
        assert (await again.client.get("/", headers={"Cookie": f"a=b; {value}"})).status == 200
    async with lab(key_sha256=hashlib.sha256(b"another").hexdigest()) as other:
        cookie = f"raydock_{other.port}={value.partition('=')[2]}"
        assert (await other.client.get("/", headers={"Cookie": cookie})).status == 401


@run
async def test_a_session_ends() -> None:
    gate = Gate("http://x", SHA, secret=SECRET)
    assert credentials.session_valid(credentials.session_cookie(gate, int(time.time()) + 60), gate)
    assert not credentials.session_valid(credentials.session_cookie(gate, int(time.time()) - 1), gate)
    later = credentials.session_cookie(gate, int(time.time()) - 1).partition(".")[2]
    assert not credentials.session_valid(f"{int(time.time()) + 60}.{later}", gate)


@run
async def test_a_link_leads_to_no_other_host() -> None:
    async with lab() as it:
        for path in ("//evil.example/", "/\\evil.example/"):
            _, answer = await it.raw(f"GET {path}?token={KEY} HTTP/1.1\n{HOST}{END}")
            assert "Location: /evil.example/\r\n" in answer


@run
async def test_a_link_opened_from_another_site_redirects_with_a_page() -> None:
    async with lab() as it:
        headers = {"Sec-Fetch-Site": "cross-site"}
        answer = await it.client.get(f"/?token={KEY}&a=%22", headers=headers, allow_redirects=False)
        assert (answer.status, "Location" in answer.headers) == (200, False)
        assert 'content="0;url=/?a=%22"' in await answer.text()
        assert "Set-Cookie" in answer.headers


@run
async def test_a_mounts_response_is_sandboxed() -> None:
    """A job's object may be HTML: on the dashboard's origin its script would have the user's session."""
    async with lab({"/google/": mount}) as it:
        for method in ("GET", "POST"):
            answer = await it.client.request(method, "/google/x")
            assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for destination in ("document", "iframe", "script", "style", "image", "worker", "object"):
            refusal = await it.client.get("/google/x", headers={"Sec-Fetch-Dest": destination})
            assert refusal.status == 403
        assert (await it.client.get("/google/x", headers={"Sec-Fetch-Dest": "empty"})).status != 403


@run
async def test_sign_in_with_the_form() -> None:
    async with lab() as it:
        asked = await it.client.get("/login")
        # With "no-referrer" a browser would send the form with `Origin: null`, which is refused.
        assert (asked.status, asked.headers["Referrer-Policy"]) == (200, "same-origin")
        wrong = await it.client.post("/login", data={"token": "nope"}, allow_redirects=False)
        assert (wrong.status, "Set-Cookie" in wrong.headers) == (401, False)
        html = {"Accept": "text/html"}
        sentence = "That is not this cluster's key.".replace("'", "&#x27;")
        for path, is_wrong in (("/login", False), ("/?token=nope", True)):
            assert (sentence in await (await it.client.get(path, headers=html)).text()) == is_wrong
        again = await it.client.post("/login", data={"token": "nope"}, headers=html)
        assert sentence in await again.text()
        right = await it.client.post(
            "/login", data={"token": KEY}, headers={"Origin": it.base}, allow_redirects=False
        )
        assert (right.status, right.headers["Location"]) == (303, "/")
        cookie = right.headers["Set-Cookie"].partition(";")[0]
        assert (await it.client.get("/", headers={"Cookie": cookie})).status == 200
        huge = await it.client.post("/login", data={"token": "x" * 10_000})
        assert huge.status == 413
        assert len(it.upstream.seen) == 1


@run
async def test_a_cookie_allows_changes_from_our_own_page_only() -> None:
    async with lab() as it:
        session = credentials.session_cookie(Gate("", SHA, secret=SECRET), int(time.time()) + 9)
        cookie = {"Cookie": f"raydock_{it.port}={session}"}
        assert (await it.client.delete("/x", headers=cookie)).status == 403
        assert (await it.client.delete("/x", headers={**cookie, "Origin": "null"})).status == 403
        assert (await it.client.delete("/x", headers={**cookie, "Origin": it.base})).status == 200
        foreign = {**cookie, "Sec-Fetch-Site": "same-site"}  # a page on another port gets the cookie
        assert (await it.client.get("/api/actors/kill", headers=foreign)).status == 403
        assert len(it.upstream.seen) == 1


@run
async def test_the_dashboard_sees_no_key_and_no_gateway_headers() -> None:
    async with lab() as it:
        headers = {
            **BEARER,
            "Cookie": "a=1; raydock_1=x; raydock_8265=y; b=2",
            "Origin": it.base,
            "Referer": f"{it.base}/?token={KEY}",
            "X-Forwarded-For": "1.2.3.4",
            "x-forwarded-host": "evil",
            "Forwarded": "for=1.2.3.4",
            "Proxy-Authorization": "x",
            "TE": "trailers",
            "Connection": "keep-alive, X-Hop",
            "X-Hop": "1",
            "X-End": "1",
        }
        answer = await it.client.delete(as_is(it, f"/a//b%2F?q=%41&%74oken={KEY}&token=&z"), headers=headers)
        (seen,) = it.upstream.seen
        assert seen.raw_path == "/a//b%2F?q=%41&z"
        assert seen.headers["Cookie"] == "a=1; b=2"
        assert seen.headers["X-End"] == "1"
        assert KEY not in str(seen.headers)
        gone = {"Authorization", "Origin", "Referer", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded"}
        gone |= {"Proxy-Authorization", "TE", "X-Hop"}
        assert not [name for name in gone if name in seen.headers]
        assert seen.headers["Host"] != headers.get("Host", f"127.0.0.1:{it.port}")
        assert answer.headers["X-Multi"] == "1"
        assert "Keep-Alive" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("agent", "by", "forwarded"),
    [
        ("python-requests/2", "key", "python-requests/2"),
        ("", "key", "raydock-gateway"),
        ("Mozilla/5.0 PowerShell", "key", "raydock-gateway"),
        ("Mozilla/5.0 Chrome", "session", "Mozilla/5.0 Chrome"),
        ("", "session", "raydock-gateway"),
    ],
)
@run
async def test_the_user_agent_sent_to_the_dashboard(agent: str, by: str, forwarded: str) -> None:
    async with lab() as it:
        cookie = f"raydock_{it.port}={credentials.session_cookie(Gate('', SHA, secret=SECRET), int(time.time()) + 9)}"
        name = f"User-Agent: {agent}\n" if agent else ""
        who = AUTH if by == "key" else f"Cookie: {cookie}\n"
        assert (await it.raw(f"GET / HTTP/1.1\n{HOST}{name}{who}{END}"))[0] == 200
        assert it.upstream.seen[0].headers.getall("User-Agent") == [forwarded]
        assert not {"Accept", "Accept-Encoding", "Content-Type"} & set(it.upstream.seen[0].headers)


@run
async def test_no_log_contains_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    async with lab({"/google/": mount}, dashboard=f"http://127.0.0.1:{unused_port()}") as it:
        await it.client.get(f"/a?token={KEY}", allow_redirects=False)
        await it.client.post(f"/b?token={KEY}", headers=BEARER)
        await it.client.get(f"/google/c?token={KEY}")
        for target in (f"http://[/?token={KEY}", f"/?token={KEY} x", f"/?token={KEY}\x01"):
            assert (await it.raw(f"GET {target} HTTP/1.1\n{HOST}{END}"))[0] == 400
    lines = [record.getMessage() for record in caplog.records if record.name == "aiohttp.access"]
    assert lines[0].startswith("GET /a 303")
    assert KEY not in caplog.text


@run
async def test_a_stream_passes_chunk_by_chunk() -> None:
    async with lab() as it:
        async with it.client.get("/stream", headers=BEARER) as answer:
            assert await answer.content.readany() == b"one\n"
            it.upstream.go.set()
            assert await answer.content.readany() == b"two\n"


@run
async def test_a_client_that_disconnects_cancels_the_upstream_request() -> None:
    async with lab() as it:
        async with it.client.get("/stream", headers=BEARER) as answer:
            await answer.content.readany()
            answer.close()
        await asyncio.wait_for(it.upstream.gone.wait(), 60)


@run
async def test_backpressure() -> None:
    async with lab() as it:
        async with it.client.get("/flood", headers=BEARER) as answer:
            assert await still(lambda: it.upstream.sent) < 128 * 2**20
            answer.close()
        sent = 0

        async def upload() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(1500):
                yield bytes(2**16)
                sent += 2**16

        task = asyncio.ensure_future(it.client.put("/deaf", data=upload(), headers=BEARER))
        assert await still(lambda: sent) < 64 * 2**20
        it.upstream.go.set()
        assert (await task).status == 200


@run
async def test_bodies_pass_unchanged() -> None:
    async with lab() as it:
        answer = await it.client.get("/packed", headers={**BEARER, "Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await answer.read()) == b"hello " * 1000
        body = gzip.compress(b"x" * 1000)
        headers = {**BEARER, "Content-Encoding": "gzip"}
        await it.client.put("/x", data=body, headers=headers)
        assert it.upstream.seen[-1].headers["Content-Encoding"] == "gzip"
        assert it.upstream.seen[-1].headers["Content-Length"] == str(len(body))
        answer = await it.client.head("/packed", headers=BEARER)
        assert (answer.status, await answer.read()) == (200, b"")


@run
async def test_cookies_do_not_leak_between_clients() -> None:
    async with lab(
        dashboard="http://localhost:{port}"
    ) as it:  # aiohttp's jar stores no cookies for an IP address
        answer = await it.client.get("/cookies", headers=BEARER)
        assert len(answer.headers.getall("Set-Cookie")) == 2
        await it.client.get("/x", headers=BEARER)
        assert "Cookie" not in it.upstream.seen[-1].headers


@run
async def test_a_body_over_the_limit_gets_a_clear_413() -> None:
    async with lab() as it:
        body, url = bytes(101 * 2**20), f"{it.base}/api/packages/gcs/a.zip"

        def chunked() -> Iterator[bytes]:
            yield from (body[i : i + 2**20] for i in range(0, len(body), 2**20))

        def put(send: Callable[..., Any], **kwargs: Any) -> Awaitable[Any]:
            return asyncio.to_thread(send, url, headers=BEARER, timeout=60, **kwargs)

        for answer in (
            await put(requests.put, data=body),
            await put(requests.put, data=chunked()),
            await put(httpx.put, content=body),
            await put(httpx.put, content=chunked()),
        ):
            assert answer.status_code == 413
            assert "exceeds 100 MiB" in answer.text
            assert "`.rayignore`" in answer.text
        assert [request.headers.get("Content-Length") for request in it.upstream.seen] == [None, None]
        assert it.upstream.bodies == []  # neither counts as complete


@run
async def test_a_slow_sender_gets_to_read_the_refusal() -> None:
    async with lab() as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        head = f"PUT /x HTTP/1.1\nHost: localhost\n{AUTH}Content-Length: {101 * 2**20}\n\n"
        writer.write(head.replace("\n", "\r\n").encode())
        for _ in range(4):
            await asyncio.sleep(0.1)
            writer.write(bytes(2**16))
            await writer.drain()
        assert b" 413 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        writer.close()


@run
async def test_a_body_of_just_the_limit_passes() -> None:
    async with lab(limit=1000) as it:
        for data in (bytes(1000), chunks(1000)):
            assert (await it.client.put("/x", data=data, headers=BEARER)).status == 200
        for data in (bytes(1001), chunks(1001)):
            assert (await it.client.put("/x", data=data, headers=BEARER)).status == 413
        assert it.upstream.bodies == [1000, 1000]


def as_is(it: Lab, path: str) -> URL:
    """A client that does not normalize the URL."""
    return URL(it.base + path, encoded=True)


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size):
        yield b"x"


@run
async def test_expect_is_answered_when_the_body_is_read() -> None:
    async with lab(limit=10) as it:
        start = f"PUT /x HTTP/1.1\n{HOST}Expect: 100-continue\n"
        assert (await it.raw(f"{start}{AUTH}Content-Length: 5\n\n"))[0] == 100
        assert (await it.raw(f"{start}{AUTH}Content-Length: 11\n\n"))[0] == 413
        assert (await it.raw(f"{start}Content-Length: 5\n\n"))[0] == 401
        answer = await it.client.put("/x", data=b"12345", expect100=True, headers=BEARER)
        assert await answer.json() == {"size": 5}
        assert "Expect" not in it.upstream.seen[-1].headers


@run
async def test_a_dashboard_that_is_down_is_a_clear_502() -> None:
    async with lab(dashboard=f"http://127.0.0.1:{unused_port()}") as it:
        answers = [
            await it.client.get("/", headers=BEARER),
            await it.client.put("/", data=bytes(2**20), headers=BEARER),
        ]
        for answer in answers:
            assert answer.status == 502
            assert "`make cluster-status`" in await answer.text()
        assert (await it.raw(f"GET /ws HTTP/1.1\n{HOST}{AUTH}{UPGRADE}\n"))[0] == 502


@run
async def test_a_dashboard_that_drops_the_request_is_a_502() -> None:
    async with lab() as it:
        assert (await it.client.get("/drops", headers=BEARER)).status == 502
        assert len(it.upstream.seen) == 1  # it was not resent


@pytest.mark.parametrize("path", ["/dies", "/dies?length"])
@run
async def test_a_truncated_response_does_not_look_complete(path: str) -> None:
    async with lab() as it:
        async with it.client.get(path, headers=BEARER) as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await answer.read()


@run
async def test_nor_does_a_response_without_a_length() -> None:
    async with lab() as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(f"GET /dies HTTP/1.0\nHost: localhost\n{AUTH}\n".replace("\n", "\r\n").encode())
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 60)
        writer.close()


@run
async def test_redirects_lead_back_to_the_gateway() -> None:
    async with lab() as it:
        far = f"http://127.0.0.1:{(await it.client.get('/x', headers=BEARER)) and upstream_port(it)}"
        for to, location in (
            (f"{far}/a?b#c", "/a?b#c"),
            (f"{far}//evil.example", "/evil.example"),
            ("/a", "/a"),
            ("http://elsewhere.example/a", "http://elsewhere.example/a"),
        ):
            answer = await it.client.get("/moved", params={"to": to}, headers=BEARER, allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (302, location)


def upstream_port(it: Lab) -> str:
    return it.upstream.seen[0].headers["Host"].partition(":")[2]


@run
async def test_a_websocket_passes_both_ways_with_pings_and_close_codes() -> None:
    async with lab() as it:
        headers = {**BEARER, "Origin": it.base}
        async with it.client.ws_connect(
            "/ws", headers=headers, protocols=["x", "tail"], autoping=False, max_msg_size=0
        ) as socket:
            assert socket.protocol == "tail"
            await socket.send_str("hello")
            assert await socket.receive_str() == "hello"
            big = bytes(10 * 2**20)
            await socket.send_bytes(big)
            assert await socket.receive_bytes() == big
            await socket.ping(b"p")
            message = await socket.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"p")
            await socket.send_str("close")
            message = await socket.receive()
            assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "done")
        assert KEY not in str(it.upstream.seen[0].headers)


@run
async def test_a_client_closes_a_websocket_with_its_own_code() -> None:
    async with lab() as it:
        async with it.client.ws_connect("/ws", headers=BEARER) as socket:
            await socket.close(code=4002)
        await asyncio.wait_for(it.upstream.gone.wait(), 60)
        assert it.upstream.sent == 4002


@run
async def test_a_broken_websocket_ends_the_other_side_too() -> None:
    async with lab() as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        head = f"GET /ws HTTP/1.1\n{HOST}{AUTH}{UPGRADE}\n".replace("\n", "\r\n").replace(
            "{port}", str(it.port)
        )
        writer.write(head.encode())
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\x83\0\0\0\0die")
        with pytest.raises(ConnectionResetError):  # without a close frame before it
            await asyncio.wait_for(reader.read(), 60)
        writer.close()
        async with it.client.ws_connect("/ws", headers=BEARER) as socket:
            assert socket._response.connection is not None
            transport = socket._response.connection.transport
            assert transport is not None
            transport.abort()
        await asyncio.wait_for(it.upstream.gone.wait(), 60)


@run
async def test_a_refused_websocket_has_the_dashboards_status() -> None:
    async with lab() as it:
        for path, status in (
            ("/absent", 404),
            ("/x", 502),
        ):  # /x answers 200 and ignores the upgrade
            assert (await it.raw(f"GET {path} HTTP/1.1\n{HOST}{AUTH}{UPGRADE}\n"))[0] == status


@run
async def test_requests_follow_each_other_on_one_connection() -> None:
    async with lab() as it:
        one = f"GET /x HTTP/1.1\n{HOST}{AUTH}\n"
        _, answer = await it.raw(one)
        assert "Connection: close" not in answer
        refusal = f"POST /x HTTP/1.1\n{HOST}Content-Length: 5\n\n"
        assert "Connection: close" in (await it.raw(refusal))[1]  # because the body was not read
