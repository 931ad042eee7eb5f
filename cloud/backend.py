"""The storage stand-in behind the front: fake-gcs-server, which enforces nothing and only the cloud reaches.

Bytes pass through as they come, in both directions. In what it says about objects it names its own address;
`base` is put in its place: the one under which the client knows storage.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from cloud.answers import Refusal

# What it takes for its own address, from the Host header and -external-url, to be replaced in its answers.
HOST = "storage.raydock.invalid"
MARK = f"http://{HOST}"
HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}
NOT_SENT = HOP | {"host", "authorization", "expect"}
PIECE = 1 << 18


@dataclass(slots=True)
class Backend:
    """One pool of connections to the stand-in."""

    url: str
    session: aiohttp.ClientSession | None = field(default=None, repr=False)

    def open(self) -> aiohttp.ClientSession:
        if self.session is None:
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                timeout=aiohttp.ClientTimeout(total=None, connect=5, sock_read=120),
                auto_decompress=False,
                read_bufsize=PIECE,
            )
        return self.session

    async def close(self) -> None:
        if self.session:
            await self.session.close()

    async def json(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A small call of our own: status and parsed answer. Refusal (503) where nothing answers."""
        try:
            async with self.open().request(method, self.at(path), json=body) as reply:
                return reply.status, await reply.json(content_type=None) if reply.status != 204 else None
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as fault:
            raise unavailable(fault) from None

    async def exists(self, bucket: str, raw_object: str) -> bool:
        """Whether there is such an object; the name as it stands in a path."""
        status, _ = await self.json("GET", f"/storage/v1/b/{bucket}/o/{raw_object}")
        return status == 200

    async def put_text(self, bucket: str, name: str, text: str) -> None:
        """Makes an object of a line of text."""
        url = self.at(f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}")
        content = {"Content-Type": "text/plain; charset=utf-8"}
        async with self.open().post(url, data=text.encode() + b"\n", headers=content) as reply:
            reply.raise_for_status()

    async def await_ready(self, seconds: float) -> None:
        """Until it answers. Refusal after that many seconds."""
        for _ in range(int(seconds / 0.1)):
            try:
                await self.json("GET", "/storage/v1/b?project=lab")
                return
            except Refusal:
                await asyncio.sleep(0.1)
        raise Refusal(503, "backendError", f"The storage stand-in at {self.url} does not answer.")

    def at(self, raw_path: str) -> URL:
        return URL(self.url + raw_path, encoded=True)

    async def forward(
        self,
        request: web.Request,
        raw_path: str,
        base: str,
        body: AsyncIterator[bytes] | bytes | None = None,
        media: bool = False,
    ) -> web.StreamResponse:
        """Sends the request on; an object's content (`media`) is streamed back, all else answered whole.

        Refusal (503) where the stand-in does not answer.
        """
        headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in NOT_SENT)
        headers["Host"] = HOST
        if isinstance(body, bytes):
            headers["Content-Length"] = str(len(body))
        elif body is None and request.can_read_body:
            body = request.content.iter_any()
        try:
            async with self.open().request(
                request.method, self.at(raw_path), headers=headers, data=body, allow_redirects=False
            ) as reply:
                if not media or reply.status >= 300:
                    return await self.answer(reply, base)
                small = reply.content_length is not None and reply.content_length <= PIECE
                if small and request.method == "GET":
                    # At once: in pieces it would take three packets.
                    return web.Response(
                        status=reply.status, body=await reply.read(), headers=kept(reply.headers)
                    )
                return await self.stream(request, reply)
        except (aiohttp.ClientError, asyncio.TimeoutError) as fault:
            raise unavailable(fault) from None

    async def answer(self, reply: aiohttp.ClientResponse, base: str) -> web.Response:
        """A small answer, with the client's address of storage in the place of the stand-in's."""
        content = (await reply.read()).replace(MARK.encode(), base.encode())
        headers = kept(reply.headers)
        headers.pop("Content-Length", None)
        if "Location" in headers:
            headers["Location"] = headers["Location"].replace(MARK, base)
        return web.Response(status=reply.status, body=content, headers=headers)

    async def stream(self, request: web.Request, reply: aiohttp.ClientResponse) -> web.StreamResponse:
        """An object's content, piece by piece. If it breaks off, so does ours: no end that looks like one."""
        response = web.StreamResponse(status=reply.status, headers=kept(reply.headers))
        await response.prepare(request)
        try:
            async for piece in reply.content.iter_any():
                await response.write(piece)
        except (aiohttp.ClientError, asyncio.TimeoutError):
            if request.transport:
                request.transport.abort()
        else:
            await response.write_eof()
        return response


def kept(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((k, v) for k, v in headers.items() if k.lower() not in HOP)


def unavailable(fault: BaseException) -> Refusal:
    """Google's 503, which its clients try again."""
    return Refusal(503, "backendError", f"Backend Error: {type(fault).__name__}")
