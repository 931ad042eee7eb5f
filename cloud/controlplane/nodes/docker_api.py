"""The Docker engine's HTTP API: https://docs.docker.com/reference/api/engine/"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from cloud.controlplane.errors import NodesFailed

API = "/v1.44"  # Docker 25, the first with a start interval for health checks
TIMEOUT = 60.0  # seconds per call
STOP_TIMEOUT = 10  # seconds for a container to stop
CA_BUNDLE = Path("/run/secrets/ca_bundle")


@dataclass(frozen=True, slots=True)
class DockerApi:
    """The engine behind a socket. Every method raises NodesFailed."""

    socket: str

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """An HTTP session on the engine's socket."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        connector = aiohttp.UnixConnector(self.socket)
        async with aiohttp.ClientSession("http://docker", connector=connector, timeout=timeout) as session:
            yield session

    async def ask(self, verb: str, path: str, accepted: tuple[int, ...] = (), **options: Any) -> Any:
        """Call the engine. Raises NodesFailed for an error status that is not in `accepted`."""
        try:
            async with self.session() as session, session.request(verb, API + path, **options) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            raise NodesFailed(f"The Docker engine does not respond: {type(fault).__name__}.") from None
        document = json.loads(text) if text[:1] in ("{", "[") else {}
        if answer.status >= 400 and answer.status not in accepted:
            raise NodesFailed(
                f"The Docker engine returned an error: {document.get('message', answer.status)}"
            )
        return document

    async def memory(self) -> int:
        """The machine's memory in bytes."""
        return int((await self.ask("GET", "/info"))["MemTotal"])

    async def start(self, name: str, body: Mapping[str, Any]) -> None:
        """Create a container if it does not exist, give it the company's certificates, and start it."""
        await self.ask("POST", "/containers/create", (409,), params={"name": name}, json=body)
        if bundle := company_certificates():
            await self.ask("PUT", f"/containers/{name}/archive", params={"path": "/run"}, data=bundle)
        await self.ask("POST", f"/containers/{name}/start")

    async def labeled(self, label: str) -> Any:
        """The containers with a label, in any state."""
        filters = json.dumps({"label": [label]})
        return await self.ask("GET", "/containers/json", params={"all": "1", "filters": filters})

    async def end(self, name: str) -> None:
        """Stop a container and remove it with its volumes. Does nothing if it does not exist."""
        await self.ask("POST", f"/containers/{name}/stop", (404,), params={"t": str(STOP_TIMEOUT)})
        await self.ask("DELETE", f"/containers/{name}", (404, 409), params={"force": "1", "v": "1"})


def company_certificates() -> bytes:
    """A tar of the company's CA certificates, which this service gets as a Compose secret; empty if there are none."""
    content = CA_BUNDLE.read_bytes() if CA_BUNDLE.is_file() else b""
    return archive({"secrets/ca_bundle": content}) if content else b""


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar of these files, world-readable, for the engine to unpack in a container."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o444
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
