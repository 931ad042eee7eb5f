"""One call of storage's JSON API, and what all of them share: who makes it, on what, and whether it may be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from aiohttp import web

from cloud.access import Access, address
from cloud.answers import Refusal, denied, no_bucket
from cloud.backend import Backend
from iam import resource as resources

API = "/storage/v1"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: who makes it, on what. `raw` is the path as it came; names in it are as they stand there."""

    request: web.Request
    principal: str
    raw: str
    base: str  # the address under which the client knows storage
    names: Mapping[str, str]

    @property
    def bucket(self) -> str:
        return unquote(self.names["bucket"])

    @property
    def query(self) -> str:
        return self.request.raw_path.partition("?")[2]

    @property
    def path(self) -> str:
        return self.raw + (f"?{self.query}" if self.query else "")

    @property
    def media(self) -> bool:
        return is_media(self.request, self.raw)


@dataclass(frozen=True, slots=True)
class Front:
    """What a call works with. `own_url` is where the front reaches itself, for the parts of a batch."""

    access: Access
    backend: Backend
    own_url: str = ""

    def bucket_there(self, bucket: str) -> None:
        if bucket not in self.access.world.buckets:
            raise no_bucket()

    def require_object(self, call: Call, permission: str) -> None:
        self.bucket_there(call.bucket)
        resource = resources.obj(call.bucket, unquote(call.names["object"]))
        self.access.require(call.principal, permission, resource)

    async def require_write(self, call: Call, bucket: str, name: str) -> bool:
        """Writing needs create, and delete too where it overwrites. True: it may only make a new object."""
        resource = resources.obj(bucket, name)
        self.access.require(call.principal, "storage.objects.create", resource)
        if call.request.query.get("ifGenerationMatch") == "0":
            return True
        if self.access.may(call.principal, "storage.objects.delete", resource):
            return False
        if await self.backend.exists(bucket, quoted(name)):
            raise denied(address(call.principal), "storage.objects.delete")
        return True


def is_media(request: web.Request, raw: str) -> bool:
    """Whether an object's content is asked for, and not what is known of it."""
    return request.query.get("alt") == "media" or raw.startswith("/download/")


def with_query(path: str, **added: str) -> str:
    """The path with these in its query, in the place of others of that name."""
    raw, _, query = path.partition("?")
    pairs = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in added]
    return f"{raw}?{urlencode([*pairs, *added.items()])}"


async def json_body(request: web.Request) -> dict[str, Any]:
    """Refusal (400) for a body that is no JSON object."""
    try:
        body = await request.json() if request.can_read_body else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "parseError", "The request's body is no JSON object.")
    return body


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def quoted(name: str) -> str:
    return quote(name, safe="")


def no_object(call: Call) -> Refusal:
    return Refusal(404, "notFound", f"No such object: {call.bucket}/{unquote(call.names['object'])}")
