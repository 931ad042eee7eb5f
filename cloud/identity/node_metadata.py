"""The metadata server for the nodes of Vertex's clusters: each is who its cluster is.

Each cluster has a network of its own. A node's address says who it is, and Vertex's control plane knows whose it is;
it also says at which addresses we are to listen for nodes. A node can't take another's address: it has no capability
to (NET_ADMIN, NET_RAW). Where the control plane does not answer, nobody is told anything: no node is ever taken for
another identity than its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from cloud.identity.metadata import FLAVOR, Metadata
from cloud.identity.tokens import Tokens
from cloud.lab_state import LabState

WHO_PORT = 8082
SECONDS = 10.0
ROOT = "/computeMetadata/"
GONE = (aiohttp.ClientError, TimeoutError, LookupError, ValueError, OSError)
Close = Callable[[], Awaitable[None]]

log = logging.getLogger("cloud")


@dataclass(frozen=True, slots=True)
class NodeMetadata:
    """`vertex` is the control plane's name, or its address with a port."""

    lab_state: LabState
    tokens: Tokens
    vertex: str

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """As `Metadata`, as the node that asks."""
        if not request.path.startswith(ROOT):  # the ping: whether a metadata server is here at all
            return await Metadata(self.lab_state, self.tokens, str, "").handle(request)
        try:
            principal, project = await self.who(request.remote or "")
        except LookupError as fault:
            log.info("metadata: %s", fault)
            return web.Response(status=404, text=f"{fault}\n", headers=FLAVOR)
        except (aiohttp.ClientError, TimeoutError) as fault:
            log.warning("metadata: Vertex's control plane does not answer: %s", type(fault).__name__)
            return web.Response(status=503, text="Try again.\n", headers=FLAVOR)
        return await Metadata(self.lab_state, self.tokens, lambda: principal, project).handle(request)

    async def who(self, address: str) -> tuple[str, str]:
        """Principal and project of the node at an address. LookupError where there is none."""
        told = await ask(self.vertex, "/who", address=address)
        return told["principal"], told["project"]


async def ask(vertex: str, path: str, **query: str) -> Any:
    """What the control plane says. LookupError for its 404; aiohttp's errors where it does not answer."""
    place = vertex if ":" in vertex else f"{vertex}:{WHO_PORT}"
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"http://{place}{path}", params=query) as answer,
    ):
        if answer.status == 404:
            raise LookupError(await answer.text())
        answer.raise_for_status()
        return await answer.json()


@dataclass(slots=True)
class NodeListeners:
    """Opens our doors in the clusters' networks, and closes those of networks that are gone."""

    vertex: str
    open: Callable[[str], Awaitable[Close]]
    opened: dict[str, Close] = field(default_factory=dict)

    async def follow(self, pause: float = 1.0) -> None:
        """For ever. While the control plane does not answer, the doors stay as they are."""
        while True:
            with suppress(*GONE):  # without the profile vertex there is none
                await self.bring(set(await ask(self.vertex, "/doors")))
            await asyncio.sleep(pause)

    async def bring(self, wanted: set[str]) -> None:
        for address in self.opened.keys() - wanted:
            await self.opened.pop(address)()
        for address in wanted - self.opened.keys():
            try:
                self.opened[address] = await self.open(address)
            except OSError as fault:
                log.warning("no door at %s: %s", address, fault)
