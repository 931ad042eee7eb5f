"""The egress proxy: which destinations are allowed, which address is used, and how connections end."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cloud.network.addresses import attached_networks, is_permitted
from cloud.network.egress import Egress, serve
from cloud.network.tunnel import CHUNK, Streams

PUBLIC = "93.184.216.34"

# Networks of a company's own package index: RFC 1918, RFC 6598, RFC 4193.
COMPANY = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


@dataclass
class Net:
    """A resolver and a dialer that redirect every public address to `port` on this machine."""

    names: dict[str, list[str]]
    port: int = 0
    lookups: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    dead: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    async def resolve(self, host: str, port: int) -> list[str]:
        self.lookups.append(host)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.names[host]

    async def dial(self, address: str, port: int) -> Streams:
        self.dialled.append((address, port))
        if address in self.silent:
            await asyncio.sleep(60)
        if address in self.dead:
            raise ConnectionRefusedError
        return await asyncio.open_connection("127.0.0.1", self.port, limit=CHUNK)


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> str:
        return (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 60)).decode()

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), 60)


Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Echo everything after the client's half-close."""
    data = await reader.read()
    writer.write(b"<" + data + b">")
    writer.close()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@dataclass
class Lab:
    net: Net
    port: int
    clients: list[Client] = field(default_factory=list)

    async def open(self, text: str = "") -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        client.writer.write(text.replace("\n", "\r\n").encode("latin-1"))
        return client

    async def ask(self, text: str) -> tuple[int, str]:
        """The status and body of the proxy's own response."""
        client = await self.open(text)
        head = await client.head()
        return int(head.split()[1]), (await client.rest()).decode()


@asynccontextmanager
async def lab(served: Served = echo, *, net: Net | None = None, **rules: Any) -> AsyncIterator[Lab]:
    net = net or Net({"pypi.example.org": [PUBLIC]})
    far = await asyncio.start_server(served, "127.0.0.1", 0)
    net.port = net.port or far.sockets[0].getsockname()[1]
    near = await serve("127.0.0.1", 0, allowed=Egress(resolve=net.resolve, dial=net.dial, **rules))
    it = Lab(net, near.sockets[0].getsockname()[1])
    try:
        yield it
    finally:
        for client in it.clients:
            client.writer.close()
            with suppress(OSError):
                await client.writer.wait_closed()
        near.close()
        far.close()
        await asyncio.sleep(0.05)  # time to notice closed connections


def run(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine as a test, with a deadline."""

    @wraps(test)
    def runs(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 240))

    return runs


CONNECT = "CONNECT pypi.example.org:443 HTTP/1.1\nHost: pypi.example.org:443\n\n"


@pytest.mark.parametrize(
    ("address", "private", "verdict"),
    [
        (PUBLIC, False, True),
        ("2606:4700::1111", False, True),
        ("::ffff:93.184.216.34", False, True),
        ("64:ff9b::5db8:d822", False, True),
        *(
            (address, False, False)
            for address in ("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1")
        ),
        *(
            (address, True, True)
            for address in ("10.0.0.1", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1")
        ),
        *(
            (address, private, False)
            for private in (False, True)
            for address in (
                "127.0.0.1",
                "127.9.9.9",
                "0.0.0.0",
                "169.254.169.254",
                "224.0.0.1",
                "224.0.1.1",
                "239.1.1.1",
                "240.0.0.1",
                "255.255.255.255",
                "192.0.2.1",
                "198.18.0.1",
                "::",
                "::1",
                "fe80::1",
                "fe80::1%eth0",
                "fec0::1",
                "ff02::1",
                "ff0e::1",
                "2001:db8::1",
                "::ffff:127.0.0.1",
                "::ffff:169.254.169.254",
                "64:ff9b::7f00:1",
                "64:ff9b::a9fe:a9fe",
                "2002:7f00:1::",
                "not an address",
            )
        ),
        ("::ffff:10.0.0.1", False, False),
        ("::ffff:10.0.0.1", True, True),
        ("2002:a00:1::", False, False),
    ],
)
def test_which_addresses_are_allowed(address: str, private: bool, verdict: bool) -> None:
    assert is_permitted(address, COMPANY if private else ()) is verdict


OWN = (ipaddress.ip_network("10.9.0.0/16"), ipaddress.ip_network("fd00:9::/64"))


@pytest.mark.parametrize(
    "address", ["10.9.0.2", "::ffff:10.9.0.2", "64:ff9b::a09:2", "2002:a09:2::", "fd00:9::2"]
)
@run
async def test_the_labs_own_networks_are_never_allowed(address: str) -> None:
    """Their metadata servers hand out other identities, so no setting allows them."""
    everything = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8")))
    assert is_permitted("10.8.0.2", everything, OWN)
    assert not is_permitted(address, everything, OWN)
    rules: Any = {"allow": everything, "own": lambda: OWN}
    async with lab(net=Net({"pypi.example.org": [address]}), **rules) as it:
        assert (await it.ask(CONNECT))[0] == 403
        assert it.net.dialled == []


@pytest.mark.parametrize(
    ("host", "addresses", "dialled"),
    [
        ("bigquery.googleapis.com", [PUBLIC], "10.9.0.2"),  # the real one is never reached
        ("bigquery.googleapis.com", [], "10.9.0.2"),
        ("BigQuery.GoogleAPIs.com.", ["10.8.0.7"], "10.9.0.2"),
        ("us-central1-aiplatform.googleapis.com", ["10.9.0.7"], "10.9.0.7"),  # Vertex's control plane
    ],
)
@run
async def test_googles_hosts_are_the_labs(host: str, addresses: list[str], dialled: str) -> None:
    rules: Any = {"own": lambda: OWN, "google": "10.9.0.2"}
    async with lab(silence, net=Net({host: addresses}), **rules) as it:
        client = await it.open(f"CONNECT {host}:443 HTTP/1.1\n\n")
        assert " 200 " in await client.head()
        assert it.net.dialled == [(dialled, 443)]
        status, body = await it.ask(f"GET http://{host}/ HTTP/1.1\n\n")
        assert (status, body) == (403, f"{host.lower()} is allowed only on port 443.\n")
        assert len(it.net.dialled) == 1


ROUTE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0
"""
ROUTE6 = f"""fd000009{"0" * 24} 40 {"0" * 32} 00 {"0" * 32} 00000100 00000001 00000000 00000001 eth0
{"0" * 32} 00 {"0" * 32} 00 fd000009{"0" * 23}1 00000400 00000003 00000000 00000003 eth0
"""


def test_attached_networks_are_those_with_direct_routes(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTE)
    (tmp_path / "ipv6_route").write_text(ROUTE6)
    assert [str(one) for one in attached_networks(tmp_path)] == [
        "172.18.0.0/16",
        "192.168.0.0/20",
        "fd00:9::/64",
    ]
    assert list(attached_networks(tmp_path / "none")) == []


@run
async def test_one_client_cannot_take_all_connections() -> None:
    async with lab(max_per_client=2) as it:
        held = [await it.open(CONNECT) for _ in range(2)]
        assert all([" 200 " in await client.head() for client in held])
        status, body = await it.ask(CONNECT)
        assert (status, body) == (
            503,
            "This node has reached its limit of 2 egress connections: try again later.\n",
        )


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["127.0.0.1"], ["169.254.169.254"], [PUBLIC, "127.0.0.1"]]
)
@run
async def test_a_name_with_an_internal_address_is_refused_without_connecting(addresses: list[str]) -> None:
    async with lab(net=Net({"pypi.example.org": addresses})) as it:
        for text in (CONNECT, "GET http://pypi.example.org/ HTTP/1.1\nHost: x\n\n"):
            status, body = await it.ask(text)
            assert status == 403
            assert body == "pypi.example.org is blocked: it is not a public address.\n"
        assert it.net.dialled == []


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("head:443", "bare host name"),
        ("head.:443", "bare host name"),
        ("localhost:443", "bare host name"),
        ("pypi.example.org:22", "Outbound port 22 is blocked; allowed: 80, 443."),
        ("pypi.example.org:8265", "Outbound port 8265 is blocked"),
    ],
)
@run
async def test_bare_names_and_other_ports_are_refused_before_they_are_resolved(
    target: str, sentence: str
) -> None:
    async with lab(net=Net({"head": [PUBLIC], "localhost": [PUBLIC], "pypi.example.org": [PUBLIC]})) as it:
        status, body = await it.ask(f"CONNECT {target} HTTP/1.1\n\n")
        assert status == 403
        assert sentence in body
        assert it.net.lookups == []


@pytest.mark.parametrize(
    "target", ["127.0.0.1:443", "2130706433:443", "0x7f.1:443", "[::1]:443", "[fe80::1]:80"]
)
@run
async def test_the_real_resolver_reaches_no_internal_address(target: str) -> None:
    dialled: list[str] = []

    async def dial(address: str, port: int) -> Streams:
        dialled.append(address)
        raise OSError

    near = await serve("127.0.0.1", 0, allowed=Egress(dial=dial))
    reader, writer = await asyncio.open_connection(*near.sockets[0].getsockname()[:2])
    writer.write(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 403 ")
    assert dialled == []
    writer.close()
    await writer.wait_closed()
    near.close()
    await asyncio.sleep(0.05)


@run
async def test_a_name_is_resolved_once_and_that_address_is_used() -> None:
    async with lab() as it:
        client = await it.open(CONNECT)
        assert await client.head() == "HTTP/1.1 200 Connection established\r\n\r\n"
        assert it.net.lookups == ["pypi.example.org"]
        assert it.net.dialled == [(PUBLIC, 443)]


@run
async def test_company_networks_that_are_allowed() -> None:
    net = Net({"index.company.example": ["10.1.2.3"]})
    async with lab(net=net, allow=COMPANY, ports=frozenset({8443})) as it:
        client = await it.open("CONNECT index.company.example:8443 HTTP/1.1\n\n")
        assert " 200 " in await client.head()
        assert net.dialled == [("10.1.2.3", 8443)]
        assert (await it.ask("CONNECT index.company.example:443 HTTP/1.1\n\n"))[0] == 403


@run
async def test_a_tunnel_passes_bytes_both_ways_and_a_half_close() -> None:
    async with lab() as it:
        client = await it.open(CONNECT + "early ")
        await client.head()
        client.writer.write(bytes(3 * CHUNK))
        client.writer.write_eof()
        assert await client.rest() == b"<early " + bytes(3 * CHUNK) + b">"


@run
async def test_plain_http_is_forwarded_in_origin_form() -> None:
    heads: list[bytes] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()

    async with lab(served) as it:
        client = await it.open(
            "GET http://user:pw@pypi.example.org:80//simple/?a=b#c HTTP/1.1\nHost: other.example\nAccept: */*\n"
            "Proxy-Authorization: secret\nProxy-Connection: keep-alive\nConnection: keep-alive, X-Hop\n"
            "X-Hop: 1\nUpgrade: h2c\n\n"
        )
        assert (await client.rest()).endswith(b"ok")
        client = await it.open("OPTIONS http://pypi.example.org HTTP/1.0\n\n")
        await client.rest()
    assert heads[0].decode().split("\r\n") == [
        "GET //simple/?a=b HTTP/1.1",
        "Host: pypi.example.org:80",
        "Connection: close",
        "Accept: */*",
        "",
        "",
    ]
    assert heads[1].startswith(b"OPTIONS / HTTP/1.1\r\nHost: pypi.example.org\r\n")
    assert it.net.dialled[0] == (PUBLIC, 80)


@run
async def test_a_stock_client_posts_through_it() -> None:
    async def size(request: web.Request) -> web.StreamResponse:
        return web.Response(text=f"{request.path_qs} {len(await request.read())}")

    app = web.Application()
    app.router.add_post("/{path:.*}", size)
    async with TestServer(app, host="127.0.0.1") as server:
        assert server.port is not None
        async with lab(net=Net({"pypi.example.org": [PUBLIC]}, port=server.port)) as it:
            async with aiohttp.ClientSession() as session:
                for data in (bytes(10**5), chunks()):  # with a length, and chunked
                    async with session.post(
                        "http://pypi.example.org/a?b", data=data, proxy=f"http://127.0.0.1:{it.port}"
                    ) as answer:
                        assert await answer.text() == "/a?b 100000"


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(10):
        yield bytes(10**4)


@pytest.mark.parametrize(
    "text",
    [
        "GET / HTTP/1.1\nHost: pypi.example.org\n\n",
        "GET https://pypi.example.org/ HTTP/1.1\n\n",
        "GET ftp://pypi.example.org/ HTTP/1.1\n\n",
        "GET http:///x HTTP/1.1\n\n",
        "GET http://[::1/ HTTP/1.1\n\n",
        "CONNECT pypi.example.org HTTP/1.1\n\n",
        "CONNECT pypi.example.org:0 HTTP/1.1\n\n",
        "CONNECT pypi.example.org:99999 HTTP/1.1\n\n",
        "CONNECT pypi.example.org:443 HTTP/2\n\n",
        "nonsense\n\n",
        "GET http://pypi.example.org/ HTTP/1.1\nno colon\n\n",
        "GET http://pypi.example.org/ HTTP/1.1\nName : x\n\n",
        "GET http://pypi.example.org/ HTTP/1.1\nA: x\n folded\n\n",
    ],
)
@run
async def test_an_invalid_proxy_request_is_refused(text: str) -> None:
    async with lab() as it:
        status, body = await it.ask(text)
        assert status == 400
        assert body.count("\n") == 1
        assert it.net.lookups == []


@run
async def test_headers_have_a_limit_in_size_and_time() -> None:
    async with lab(header_timeout=0.1) as it:
        assert (await it.ask(f"{CONNECT[:-1]}X: {'x' * CHUNK}\n\n"))[0] == 431
        assert await it.ask(CONNECT[:-1]) == (400, "The request was incomplete after 0.1 s.\n")


@run
async def test_an_unreachable_server_is_reported() -> None:
    net = Net(
        {"dead.example": ["1.1.1.1"], "silent.example": ["1.0.0.1"]}, dead=("1.1.1.1",), silent=("1.0.0.1",)
    )
    async with lab(net=net, connect_timeout=0.1) as it:
        assert (await it.ask("CONNECT absent.example:443 HTTP/1.1\n\n"))[0] == 502
        status, body = await it.ask("CONNECT dead.example:443 HTTP/1.1\n\n")
        assert (status, body) == (502, "Could not reach dead.example on port 443.\n")
        status, body = await it.ask("CONNECT silent.example:443 HTTP/1.1\n\n")
        assert (status, body) == (504, "silent.example did not respond on port 443 within 0.1 s.\n")


@run
async def test_the_next_address_is_tried() -> None:
    names = {"pypi.example.org": ["2606:4700::1", "1.1.1.1", PUBLIC]}
    net = Net(names, dead=("2606:4700::1",), silent=("1.1.1.1",))
    async with lab(net=net, connect_timeout=0.6) as it:
        client = await it.open(CONNECT)
        assert " 200 " in await client.head()
        assert [address for address, _ in net.dialled] == names["pypi.example.org"]


@run
async def test_an_idle_tunnel_ends_unless_one_direction_is_busy() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(8):
            writer.write(b".")
            await asyncio.sleep(0.45)
        await reader.read()
        writer.close()

    async with lab(drip, idle_timeout=3) as it:
        client = await it.open(CONNECT)
        await client.head()
        data = b""
        while len(data) < 8:
            data += await asyncio.wait_for(client.reader.read(100), 60)
        with pytest.raises(ConnectionResetError):
            await client.rest()
        assert data == b"." * 8  # 3.6 s, more than the limit, with nothing from the client; then cut


@run
async def test_a_broken_connection_resets_the_other() -> None:
    ended = asyncio.Event()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(CHUNK):
                pass
        ended.set()
        writer.close()

    async with lab(served) as it:
        client = await it.open(CONNECT)
        await client.head()
        raw = client.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a TCP reset
        client.writer.transport.abort()
        await asyncio.wait_for(ended.wait(), 60)


@run
async def test_connections_are_counted_and_released() -> None:
    async with lab(max_connections=2) as it:
        held = [await it.open(CONNECT) for _ in range(2)]
        assert all([" 200 " in await client.head() for client in held])
        status, body = await it.ask(CONNECT)
        assert (status, body) == (
            503,
            "The egress proxy has reached its limit of 2 connections: try again later.\n",
        )
        held[0].writer.write_eof()
        assert await held[0].rest() == b"<>"
        for _ in range(1000):  # until the proxy notices the closed connection
            if " 200 " in (answer := await (await it.open(CONNECT)).head()):
                break
            await asyncio.sleep(0.01)
        assert " 200 " in answer


@run
async def test_the_log_has_hosts_but_no_paths(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with lab(silence) as it:
        client = await it.open(
            "GET http://u:pw@pypi.example.org/path?token=secret HTTP/1.1\nCookie: crumb\n\n"
        )
        client.writer.write_eof()
        await client.rest()
        await it.ask("GET http://head/path?token=secret HTTP/1.1\n\n")
    assert f"pypi.example.org port 80: {PUBLIC}" in caplog.text
    assert not [word for word in ("secret", "path", "crumb", "pw") if word in caplog.text]
