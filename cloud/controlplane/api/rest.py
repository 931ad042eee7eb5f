"""The REST front end: the same methods as JSON over HTTP/1.1, for `transport="rest"`, gcloud and plain HTTPS."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from google.protobuf import json_format

from cloud.controlplane import errors
from cloud.controlplane.api import requests, routes
from cloud.controlplane.api.methods import OPERATIONS, Services, cluster_service
from cloud.controlplane.errors import RpcError
from cloud.controlplane.permission import Permission
from cloud.google_errors import ApiError
from cloud.json_body import read_json

log = logging.getLogger("raydock.vertex")

# HTTP status by code name: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
STATUS = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}


@dataclass(frozen=True, slots=True)
class Rest:
    """The front end for one region's endpoint."""

    services: Services
    permission: Permission

    async def handle(self, request: web.Request) -> web.Response:
        """Handle any request."""
        pretty = request.query.get("prettyPrint", request.query.get("$prettyPrint", "true")) != "false"
        try:
            return respond(await self.call_or_internal(request), 200, pretty)
        except RpcError as refusal:
            headers = CHALLENGE if refusal.code == "UNAUTHENTICATED" else {}
            return respond(error_body(refusal), STATUS[refusal.code], pretty, headers)

    async def call_or_internal(self, request: web.Request) -> Mapping[str, Any]:
        """Like `call`, but raises INTERNAL for an unexpected error."""
        try:
            return await self.call(request)
        except RpcError:
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            raise errors.internal() from None

    async def call(self, request: web.Request) -> Mapping[str, Any]:
        """A response as JSON. Raises RpcError."""
        found = routes.match(request.method, request.raw_path.partition("?")[0])
        as_numbers = encodes_enums_as_numbers(request.query)
        service = OPERATIONS if found.route.is_operation else cluster_service(found.version)
        method = self.services[service][found.route.method]
        principal = self.permission.header_principal(request.headers.get("Authorization", ""))
        call = requests.HttpCall(found, request.query, await read_body(request))
        message = requests.build(call, method.request())
        answer = await method.invoke(lambda: principal, message)
        document: dict[str, Any] = json_format.MessageToDict(answer, use_integers_for_enums=as_numbers)
        return document


async def read_body(request: web.Request) -> Mapping[str, Any]:
    """A request's JSON body. Raises RpcError (INVALID_ARGUMENT) if it is malformed or too large."""
    try:
        return await read_json(request.content.iter_any(), request.headers.get("Content-Encoding", ""))
    except ApiError as fault:
        raise errors.bad_payload("", fault.message) from None


def encodes_enums_as_numbers(query: Mapping[str, str]) -> bool:
    """Whether the query requests enums as numbers, as the SDK does. Raises RpcError for any format except JSON."""
    text = query.get("$alt", query.get("alt", "json"))
    if text not in ("json", "json;enum-encoding=int"):
        raise errors.bad_payload("", f'The format "{text}" is not supported: use json.')
    return text != "json"


def error_body(refusal: RpcError) -> dict[str, Any]:
    """An error as JSON: https://cloud.google.com/apis/design/errors#http_mapping."""
    details = {"details": list(refusal.details)} if refusal.details else {}
    error = {"code": STATUS[refusal.code], "message": refusal.message, "status": refusal.code}
    return {"error": error | details}


def respond(
    document: Mapping[str, Any], status: int, pretty: bool, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON response, indented like Google's unless `pretty` is false."""
    text = json.dumps(document, indent=2 if pretty else None, ensure_ascii=False) + "\n"
    return web.Response(text=text, status=status, headers=headers, content_type="application/json")
