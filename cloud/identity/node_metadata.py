"""The metadata server for the nodes of Vertex AI clusters: each node has its cluster's identity.

Each cluster has its own network. The control plane maps a node's address to its cluster, and lists the addresses
to listen on. A node can't take another node's address, because it lacks the capabilities NET_ADMIN and NET_RAW. If
the control plane does not respond, neither does this server, so a node never gets another node's identity.
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

IDENTITY_PORT = 8082  # the control plane's
TIMEOUT = 10.0  # seconds
ROOT = "/computeMetadata/"
UNREACHABLE = (aiohttp.ClientError, TimeoutError, LookupError, ValueError, OSError)
Close = Callable[[], Awaitable[None]]

log = logging.getLogger("cloud")


@dataclass(frozen=True, slots=True)
class NodeMetadata:
    """The metadata server for all nodes. `vertex`: the control plane's host name, optionally with a port."""

    lab_state: LabState
    tokens: Tokens
    vertex: str

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond like `Metadata`, with the calling node's identity: 404 for an unknown node, 503 if unavailable."""
        if not request.path.startswith(ROOT):  # a client checking whether there is a metadata server
            return await Metadata(self.lab_state, self.tokens, str, "").handle(request)
        try:
            principal, project = await self.identify(request.remote or "")
        except LookupError as fault:
            log.info("metadata: %s", fault)
            return web.Response(status=404, text=f"{fault}\n", headers=FLAVOR)
        except (aiohttp.ClientError, TimeoutError) as fault:
            log.warning("metadata: the Vertex AI control plane does not respond: %s", type(fault).__name__)
            return web.Response(status=503, text="Try again.\n", headers=FLAVOR)
        return await Metadata(self.lab_state, self.tokens, lambda: principal, project).handle(request)

    async def identify(self, address: str) -> tuple[str, str]:
        """The principal and project of the node at an address. Raises LookupError if there is none."""
        found = await ask(self.vertex, "/who", address=address)
        return found["principal"], found["project"]


async def ask(vertex: str, path: str, **query: str) -> Any:
    """Query the control plane. Raises LookupError for a 404, and aiohttp's errors if it does not respond."""
    server = vertex if ":" in vertex else f"{vertex}:{IDENTITY_PORT}"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"http://{server}{path}", params=query) as answer,
    ):
        if answer.status == 404:
            raise LookupError(await answer.text())
        answer.raise_for_status()
        return await answer.json()


@dataclass(slots=True)
class NodeListeners:
    """Opens listeners on the clusters' networks, and closes those of deleted networks."""

    vertex: str
    open: Callable[[str], Awaitable[Close]]
    opened: dict[str, Close] = field(default_factory=dict)

    async def follow(self, pause: float = 1.0, absent: float = 5.0) -> None:
        """Sync every `pause` seconds, forever. Changes nothing while the control plane does not respond.

        Without the `vertex` profile, there is no control plane, so it is looked for only every `absent` seconds.
        """
        while True:
            rest = absent
            with suppress(*UNREACHABLE):
                await self.sync(set(await ask(self.vertex, "/doors")))
                rest = pause
            await asyncio.sleep(rest)

    async def sync(self, wanted: set[str]) -> None:
        """Open and close listeners until exactly the wanted addresses are served."""
        for address in self.opened.keys() - wanted:
            await self.opened.pop(address)()
        for address in wanted - self.opened.keys():
            try:
                self.opened[address] = await self.open(address)
            except OSError as fault:
                log.warning("can't listen on %s: %s", address, fault)
