"""The metadata server for the nodes of Vertex AI clusters and for Kubernetes pods: each has its own identity.

Each cluster has its own network. Its control plane (Vertex AI's, or KubeRay's controller) maps a node's address to its
identity, and lists the addresses to listen on. A node can't take another node's address, because it lacks the
capabilities NET_ADMIN and NET_RAW. If the control plane does not respond, neither does this server, so a node never
gets another node's identity.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from cloud.identity.metadata import FLAVOR, Metadata
from cloud.identity.tokens import Tokens
from cloud.identity.workload_identity import Workload, WorkloadMetadata
from cloud.lab_state import LabState

IDENTITY_PORT = 8082  # the control plane's
TIMEOUT = 10.0  # seconds
ROOT = "/computeMetadata/"
UNREACHABLE = (aiohttp.ClientError, TimeoutError, LookupError, ValueError, OSError)
Close = Callable[[], Awaitable[None]]

log = logging.getLogger("cloud")


@dataclass(frozen=True, slots=True)
class NodeMetadata:
    """The metadata server for one control plane's nodes. `plane`: its host name, optionally with a port."""

    lab_state: LabState
    tokens: Tokens
    plane: str

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond like `Metadata`, with the calling node's identity: 404 for an unknown node, 503 if unavailable."""
        if not request.path.startswith(ROOT):  # a client checking whether there is a metadata server
            return await Metadata(self.lab_state, self.tokens, str, "").handle(request)
        try:
            found = await ask(self.plane, "/who", address=request.remote or "")
        except LookupError as fault:
            log.info("metadata: %s", fault)
            return web.Response(status=404, text=f"{fault}\n", headers=FLAVOR)
        except (aiohttp.ClientError, TimeoutError) as fault:
            log.warning("metadata: %s does not respond: %s", self.plane, type(fault).__name__)
            return web.Response(status=503, text="Try again.\n", headers=FLAVOR)
        return await self.metadata(found).handle(request)

    def metadata(self, found: Mapping[str, Any]) -> Metadata:
        """The metadata server for one node, which the control plane has identified."""
        if "workload" in found:
            workload = Workload(found["project"], found["workload"], found["account"])
            return WorkloadMetadata(self.lab_state, self.tokens, workload)
        return Metadata(self.lab_state, self.tokens, lambda: str(found["principal"]), found["project"])


async def ask(plane: str, path: str, **query: str) -> Any:
    """Query a control plane. Raises LookupError for a 404, and aiohttp's errors if it does not respond."""
    server = plane if ":" in plane else f"{plane}:{IDENTITY_PORT}"
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
    """Opens listeners on the networks of one control plane's clusters, and closes those of deleted networks."""

    plane: str
    open: Callable[[str], Awaitable[Close]]
    opened: dict[str, Close] = field(default_factory=dict)

    async def follow(self, pause: float = 1.0, absent: float = 5.0) -> None:
        """Sync every `pause` seconds, forever. Changes nothing while the control plane does not respond.

        Without the control plane's profile there is none, so it is looked for only every `absent` seconds.
        """
        while True:
            rest = absent
            with suppress(*UNREACHABLE):
                await self.sync(set(await ask(self.plane, "/doors")))
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
