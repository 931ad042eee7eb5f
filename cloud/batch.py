"""Batches of calls, each of them authorised by itself: https://cloud.google.com/storage/docs/batch"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.message import Message
from email.parser import BytesParser

import aiohttp
from aiohttp import web
from yarl import URL

from cloud.answers import Refusal

MOST = 100  # calls in one batch, as Google has it
BOUNDARY = "batch_raydock"
BASE = "X-Raydock-Base"  # tells our own door under which address the client knows storage


async def answer(
    request: web.Request, base: str, own_url: str, session: aiohttp.ClientSession
) -> web.Response:
    """Makes the calls, a few at a time, and answers with all of their answers, in their order."""
    header = f"Content-Type: {request.headers.get('Content-Type', '')}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(header + await request.read())
    if not parts.is_multipart():
        raise Refusal(400, "badRequest", "Failed to parse batch request, error: it is not multipart.")
    calls = [part for part in parts.get_payload() if isinstance(part, Message)]
    if len(calls) > MOST:
        raise Refusal(400, "badRequest", f"The batch has {len(calls)} calls; at most {MOST} are allowed.")
    few = asyncio.Semaphore(8)
    given = {BASE: base, "Authorization": request.headers.get("Authorization", "")}
    answers = await asyncio.gather(*(one(call, own_url, session, given, few) for call in calls))
    body = b"".join(b"--" + BOUNDARY.encode() + b"\r\n" + part for part in answers)
    body += f"--{BOUNDARY}--\r\n".encode()
    return web.Response(body=body, headers={"Content-Type": f'multipart/mixed; boundary="{BOUNDARY}"'})


async def one(
    part: Message,
    own_url: str,
    session: aiohttp.ClientSession,
    given: Mapping[str, str],
    few: asyncio.Semaphore,
) -> bytes:
    """One call of the batch, made over HTTP like any other."""
    line, _, rest = payload(part).lstrip().partition(b"\n")
    method, target = line.decode().split()[:2]
    message = BytesParser().parsebytes(rest)
    path = target[target.find("/", 8) :] if target.startswith("http") else target
    own = {name: value for name, value in message.items() if name.lower() not in ("content-length", "host")}
    headers = {name: value for name, value in {**given, **own}.items() if value}
    async with (
        few,
        session.request(
            method, URL(own_url + path, encoded=True), data=payload(message) or None, headers=headers
        ) as reply,
    ):
        content = await reply.read()
        status = f"HTTP/1.1 {reply.status} {reply.reason}\r\n"
        told = f"Content-Type: {reply.headers.get('Content-Type', 'application/json')}\r\n"
        number = part.get("Content-ID", "<1>").strip("<>")
        head = f"Content-Type: application/http\r\nContent-ID: <response-{number}>\r\n\r\n"
        length = f"Content-Length: {len(content)}\r\n\r\n"
        return (head + status + told + length).encode() + content + b"\r\n"


def payload(message: Message) -> bytes:
    content = message.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
