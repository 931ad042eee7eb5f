"""Client of the lab's Kubernetes API server."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

Json = Mapping[str, Any]
CORE, RAY = "/api/v1", "/apis/ray.io/v1"
TIMEOUT = 30.0  # seconds per request
MERGE = "application/merge-patch+json"


class Rejected(Exception):
    """The API server returned an error status; the message is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NotAnswering(Exception):
    """The API server does not respond."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API server at `server`. Every method raises Rejected and NotAnswering.

    `namespace`: the only one that `listed` looks into; "" for all.
    """

    session: aiohttp.ClientSession
    server: str
    namespace: str = ""

    async def call(self, verb: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Send one request and return the JSON of the response."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind} if content else {}
        try:
            async with self.session.request(
                verb, self.server + path, data=content, headers=headers
            ) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            raise NotAnswering(str(fault) or type(fault).__name__) from None
        document = object_in(text)
        if answer.status >= 400:
            raise Rejected(answer.status, str(document.get("message") or text[:300] or answer.status))
        return document

    async def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of a list."""
        return list((await self.call("GET", path)).get("items") or ())

    async def listed(self, base: str, kind: str, query: str = "") -> list[dict[str, Any]]:
        """The objects of a kind."""
        where = f"/namespaces/{self.namespace}" if self.namespace else ""
        return await self.items(f"{base}{where}/{kind}{query}")

    async def create(self, path: str, body: Json) -> bool:
        """Create an object. Returns False if it already exists."""
        try:
            await self.call("POST", path, body)
        except Rejected as refusal:
            if refusal.status != 409:
                raise
            return False
        return True

    async def merge(self, path: str, body: Json) -> None:
        """Merge into an object, or into its status if the path ends with that. Ignores one that is gone."""
        await self.unless_gone("PATCH", path, body, MERGE)

    async def delete(self, path: str, ended: bool = False) -> None:
        """Delete an object. A pod stays until it is deleted again as `ended`. Ignores one that is gone."""
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        await self.unless_gone("DELETE", path, body | ({"gracePeriodSeconds": 0} if ended else {}))

    async def unless_gone(self, verb: str, path: str, body: Json, kind: str = "application/json") -> None:
        """A request about an object that may no longer exist."""
        try:
            await self.call(verb, path, body, kind)
        except Rejected as refusal:
            if refusal.status != 404:
                raise


@asynccontextmanager
async def opened(server: str, token: str, authority: Path, namespace: str = "") -> AsyncIterator[Api]:
    """The API server, for the holder of a token. `authority` is the file with the certificate to trust."""
    trusted = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(authority)))
    headers, timeout = {"Authorization": f"Bearer {token}"}, aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(connector=trusted, headers=headers, timeout=timeout) as session:
        yield Api(session, server, namespace)


def object_in(text: str) -> dict[str, Any]:
    """The JSON object in a response; {} for any other content, such as that of /readyz."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def path_of(base: str, kind: str, about: Json) -> str:
    """The path of an object, from its metadata."""
    return f"{base}/namespaces/{about['namespace']}/{kind}/{about['name']}"
