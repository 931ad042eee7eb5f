"""Relays a websocket in both directions, including pings and close codes."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import aiohttp
from aiohttp import WSMsgType, web

Socket: TypeAlias = "web.WebSocketResponse | aiohttp.ClientWebSocketResponse"


async def relay(near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> bool:
    """Relay until one side closes. Returns whether it sent a close frame, which is then passed to both sides."""
    pumps = [asyncio.create_task(pump(near, far)), asyncio.create_task(pump(far, near))]
    try:
        done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
    frame = next((frame for task in done if (frame := task.result())), None)
    if frame is None:
        return False
    code = frame.data or aiohttp.WSCloseCode.OK  # 0: the frame contained no code
    for end in (far, near):
        await end.close(code=code, message=(frame.extra or "").encode())
    return True


async def pump(source: Socket, sink: Socket) -> aiohttp.WSMessage | None:
    """Copy messages in one direction. Returns the final close frame, or None if the source sent none."""
    try:
        while (message := await source.receive()).type is not WSMsgType.CLOSE:
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            elif message.type is WSMsgType.PING:
                await sink.ping(message.data)
            elif message.type is WSMsgType.PONG:
                await sink.pong(message.data)
            else:
                return None
    except ConnectionError:
        return None
    return message
