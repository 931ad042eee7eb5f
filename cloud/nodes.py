"""The metadata server for the nodes of Vertex's clusters: each is who its cluster is.

All clusters share one network, so the address tells nodes apart, and Vertex's control plane knows whose it is. A
node can't take another's address: it has no capability to (NET_ADMIN, NET_RAW). Where the control plane does not
answer, nobody is told anything: no node is ever taken for another identity than its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from cloud.metadata import FLAVOR, Metadata
from cloud.tokens import Tokens
from cloud.world import World

WHO_PORT = 8082
SECONDS = 10.0
ROOT = "/computeMetadata/"

log = logging.getLogger("cloud")


@dataclass(frozen=True, slots=True)
class NodeMetadata:
    """`vertex` is the control plane's name, or its address with a port."""

    world: World
    tokens: Tokens
    vertex: str

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """As `Metadata`, as the node that asks."""
        if not request.path.startswith(ROOT):  # the ping: whether a metadata server is here at all
            return await Metadata(self.world, self.tokens, str, "").handle(request)
        try:
            principal, project = await self.who(request.remote or "")
        except LookupError as fault:
            log.info("metadata: %s", fault)
            return web.Response(status=404, text=f"{fault}\n", headers=FLAVOR)
        except (aiohttp.ClientError, TimeoutError) as fault:
            log.warning("metadata: Vertex's control plane does not answer: %s", type(fault).__name__)
            return web.Response(status=503, text="Try again.\n", headers=FLAVOR)
        return await Metadata(self.world, self.tokens, lambda: principal, project).handle(request)

    async def who(self, address: str) -> tuple[str, str]:
        """Principal and project of the node at an address. LookupError where there is none."""
        place = self.vertex if ":" in self.vertex else f"{self.vertex}:{WHO_PORT}"
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{place}/who", params={"address": address}) as answer,
        ):
            if answer.status == 404:
                raise LookupError(await answer.text())
            answer.raise_for_status()
            told = await answer.json()
        return told["principal"], told["project"]
