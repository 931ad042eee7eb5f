"""Client of a Kubernetes API server: bounded requests, one-sentence errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from kuberay.errors import (
    AccessDenied,
    ClusterNotFound,
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

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """One bounded request and the object that it returns."""
        try:
            reply = self.http.request(method, path, json=dict(body) if body else None)
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
        text = f"The API server of context {self.context.name} answered {reply.status_code}: {why}."
        kind = Unreachable if reply.status_code == 429 or reply.status_code >= 500 else RequestRejected
        return kind(text, self.endpoint.fix)


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
