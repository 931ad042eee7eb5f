"""HTTP/1.1 and HTTP/2 on one port, selected by ALPN."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from cloud.network.alpn import forward_to, listen
from cloud.network.certificates import Authority, load_authority

HOST = "storage.googleapis.com"


async def said(authority: Authority, offered: list[str], *, far: bool = True) -> bytes:
    """The response to a client that offers these protocols and sends one line."""

    async def http1(_: web.Request) -> web.Response:
        return web.Response(text="one")

    async def http2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"two: " + await reader.readline())
        writer.close()

    app = web.Application()
    app.router.add_get("/", http1)
    runner = web.AppRunner(app)
    await runner.setup()
    behind = await asyncio.start_server(http2, "127.0.0.1", 0)
    port = behind.sockets[0].getsockname()[1] if far else 9
    tls = authority.server_context(["http/1.1", "h2"])
    server = await listen(runner, "127.0.0.1", 0, tls, forward_to("127.0.0.1", port))
    trusted = ssl.create_default_context(cafile=str(authority.certificate))
    trusted.set_alpn_protocols(offered)
    address = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address, ssl=trusted, server_hostname=HOST)
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        server.close()
        behind.close()
        await runner.cleanup()


@pytest.mark.parametrize("offered", [["http/1.1"], ["h2", "http/1.1"], ["http/1.1", "h2"]])
def test_a_client_that_offers_both_gets_http_1(tmp_path: Path, offered: list[str]) -> None:
    assert asyncio.run(said(load_authority(tmp_path), offered)).endswith(b"\r\n\r\none")


def test_http_2_is_forwarded(tmp_path: Path) -> None:
    assert asyncio.run(said(load_authority(tmp_path), ["h2"])) == b"two: GET / HTTP/1.0\r\n"


def test_http_2_without_a_server_is_closed(tmp_path: Path) -> None:
    assert asyncio.run(said(load_authority(tmp_path), ["h2"], far=False)) == b""
