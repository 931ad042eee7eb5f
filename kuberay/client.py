"""Client of a Kubernetes API server: bounded requests, one-sentence errors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from kuberay.errors import (
    AccessDenied,
    ClusterNotFound,
    Conflict,
    CredentialsRejected,
    KuberayError,
    RequestRejected,
)
from kuberay.kubeconfig import KubeContext
from raydock import answers
from raydock.errors import Unreachable
from raydock.rayapi.client import open_client
from raydock.rayapi.connection import Connection
from raydock.rayapi.endpoint import UNFINISHED, Endpoint, reason

RAY = "/apis/ray.io/v1"
FIELD_MANAGER = "raydock"  # https://kubernetes.io/docs/reference/using-api/server-side-apply/
APPLY, JSON_PATCH = "application/apply-patch+yaml", "application/json-patch+json"
CONFLICT = re.compile(r'conflict with "([^"]*)"')


class KubeClient:
    """The API server of one context. A context manager; all calls block and may be made from several threads."""

    def __init__(self, context: KubeContext) -> None:
        self.context = context
        self.endpoint = Endpoint(connection(context), f"kubectl {context.flag} cluster-info")
        self.http = open_client(self.endpoint)

    def __enter__(self) -> KubeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **query: str) -> Mapping[str, Any]:
        """Return an object. Raises ClusterNotFound, AccessDenied, CredentialsRejected, RequestRejected, Unreachable."""
        return self.call("GET", path + (f"?{urlencode(query)}" if query else ""))

    def items(self, path: str, **query: str) -> list[Mapping[str, Any]]:
        """Return the objects of a list. Raises like `get`."""
        return answers.rows(self.get(path, **query).get("items"))

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create an object. Raises like `get`."""
        return self.call("POST", path, body)

    def apply(
        self, path: str, body: Mapping[str, Any], dry_run: bool = False, force: bool = False
    ) -> Mapping[str, Any]:
        """Create or change an object by server-side apply; return it. Raises Conflict, unless `force` is set.

        With `dry_run`, the server only checks the request and returns what the object would be.
        """
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        query |= ({"dryRun": "All"} if dry_run else {}) | ({"force": "true"} if force else {})
        return self.call("PATCH", f"{path}?{urlencode(query)}", body, APPLY)

    def patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Change an object by JSON Patch; return it. Raises RequestRejected if a `test` operation fails."""
        return self.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}", operations, JSON_PATCH)

    def delete(self, path: str, uid: str = "") -> None:
        """Delete an object, and in the background what it owns. With `uid`, only if it is still the same object."""
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        self.call("DELETE", path, body | ({"preconditions": {"uid": uid}} if uid else {}))

    def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Mapping[str, Any]:
        """One bounded request and the object that it returns."""
        content = None if body is None else json.dumps(body, default=dict).encode()
        headers = {"Content-Type": content_type} if content else {}
        try:
            reply = self.http.request(method, path, content=content, headers=headers)
        except UNFINISHED as fault:
            raise self.endpoint.unreachable(fault) from None
        if not reply.is_success:
            raise self.rejection(reply)
        try:
            value = answers.parsed(reply.content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise RequestRejected(
                f"What answers at {self.context.server} is not a Kubernetes API server: {path} gave no JSON object.",
                self.endpoint.fix,
            )
        return value

    def rejection(self, reply: httpx.Response) -> KuberayError | Unreachable:
        """The error for an error response; Unreachable if a retry may help."""
        why = " ".join(reason(reply).split())[:300].rstrip(".")
        if reply.status_code == 401:
            return rejected_credentials(self.context)
        if reply.status_code == 403:
            return AccessDenied(f"The API server of context {self.context.name} denied this: {why}.")
        if reply.status_code == 404:
            return ClusterNotFound(
                f"The API server of context {self.context.name} has no such object: {why}."
            )
        if reply.status_code == 409 and (fields := conflicts(reply)):
            return Conflict(f"The API server of context {self.context.name} refused this: {why}.", "", fields)
        text = f"The API server of context {self.context.name} answered {reply.status_code}: {why}."
        kind = Unreachable if reply.status_code == 429 or reply.status_code >= 500 else RequestRejected
        return kind(text, self.endpoint.fix)


def conflicts(reply: httpx.Response) -> dict[str, list[str]]:
    """The fields that other clients own, by the client's name, from the answer to server-side apply."""
    found: dict[str, list[str]] = {}
    try:
        causes = answers.rows(answers.mapping(answers.parsed(reply.content), "details").get("causes"))
    except ValueError:
        return {}
    for cause in causes:
        if manager := CONFLICT.search(answers.text(cause.get("message"))):
            found.setdefault(manager[1], []).append(answers.text(cause.get("field")).lstrip("."))
    return found


def rejected_credentials(context: KubeContext) -> CredentialsRejected:
    """The error for credentials that the API server does not accept."""
    return CredentialsRejected(
        f"The API server {context.server} rejects the credentials of context {context.name}: they have expired, or "
        "are for another cluster.",
        context.login,
    )


def connection(context: KubeContext, path: str = "") -> Connection:
    """How to reach the API server, or a path of it."""
    local = urlsplit(context.server).hostname in {"127.0.0.1", "localhost", "::1"}
    return Connection(
        context.server + path,
        context.headers,
        through_proxy=not local,
        slow=True,
        turned_down=context.turned_down,
        access=context.login,
        trusted=context.ssl_context,
        proxy=context.proxy,
    )


def namespaced(base: str, namespace: str, kind: str, name: str = "") -> str:
    """The path of a namespace's objects of one kind, or of one of them."""
    return f"{base}/namespaces/{quote(namespace, safe='')}/{kind}" + (
        f"/{quote(name, safe='')}" if name else ""
    )
