"""The HTTP clients of a connection, with or without an event loop. Both authenticate in the same way."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any

import httpx

from raydock.errors import UsageError
from raydock.rayapi.connection import Connection

from .endpoint import Endpoint
from .environment import check_proxies, is_url, untrusted


def open_client(endpoint: Endpoint) -> httpx.Client:
    """Create a client. Raises UsageError if the address or an environment variable is invalid."""
    options = options_of(endpoint)
    try:
        return httpx.Client(**options)
    except (httpx.InvalidURL, ValueError) as fault:
        raise invalid(endpoint.connection, fault) from None


def open_async_client(endpoint: Endpoint) -> httpx.AsyncClient:
    """Create a client for an event loop. Raises UsageError if the address or an environment variable is invalid."""
    options = options_of(endpoint)
    try:
        return httpx.AsyncClient(**options)
    except (httpx.InvalidURL, ValueError) as fault:
        raise invalid(endpoint.connection, fault) from None


def options_of(endpoint: Endpoint) -> dict[str, Any]:
    """The options for either client. Raises UsageError if a proxy or a certificate is unusable."""
    connection = endpoint.connection
    if connection.through_proxy:
        check_proxies()
    secure = connection.base_url.startswith("https://")
    return {
        "base_url": connection.base_url,
        "timeout": endpoint.timeouts.of(),
        "trust_env": connection.through_proxy,
        "verify": secure and (connection.trusted or trust)(),  # loading the certificates takes 80 ms
        "proxy": connection.proxy or None,
        "auth": ConnectionAuth(connection, endpoint.fix),
    }


def trust() -> ssl.SSLContext:
    """The certificates from certifi and this machine, or only those set in the environment. Raises UsageError."""
    try:
        context = httpx.create_ssl_context()
        if not os.environ.get("SSL_CERT_FILE") and not os.environ.get("SSL_CERT_DIR"):
            context.load_default_certs()
    except OSError as fault:  # ssl.SSLError too
        raise untrusted(fault) from None
    return context


def invalid(connection: Connection, fault: Exception) -> UsageError:
    """The error for an address, or for a NO_PROXY, that httpx rejects."""
    url = connection.base_url
    if connection.through_proxy and is_url(url):
        name = next((name for name in ("no_proxy", "NO_PROXY") if os.environ.get(name)), "NO_PROXY")
        return UsageError(f"{name} is invalid: {fault}.", f"unset {name}")
    return UsageError(f"{url!r} is not a dashboard address: {fault}.", "--address http://HOST:8265")


@dataclass(frozen=True, slots=True)
class ConnectionAuth(httpx.Auth):
    """Adds the connection's headers to each request. Repeats it once with new headers if the server returns 401."""

    connection: Connection
    fix: str

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth. Raises UsageError if the headers can't be sent."""
        headers = self.headers()
        reply = yield with_headers(request, headers)
        if reply.status_code == 401 and self.connection.turned_down(headers):
            yield with_headers(request, self.headers())

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See httpx.Auth. Headers that may take long are created in a thread."""
        headers = await self.headers_in_loop()
        reply = yield with_headers(request, headers)
        if reply.status_code == 401 and self.connection.turned_down(headers):
            yield with_headers(request, await self.headers_in_loop())

    async def headers_in_loop(self) -> dict[str, str]:
        """The headers, without blocking the event loop."""
        return await asyncio.to_thread(self.headers) if self.connection.slow else self.headers()

    def headers(self) -> dict[str, str]:
        """The connection's headers, created for this request. Raises UsageError if they can't be sent."""
        try:
            made = dict(self.connection.headers())
        except UnicodeError:
            raise UsageError("The cluster's key is not valid text.", self.fix) from None
        for name, value in made.items():
            if not (name + value).isascii() or not (name + value).isprintable():
                raise UsageError(
                    f"The header {name} can't be sent: it contains a character that HTTP does not allow.",
                    "check its source: RAY_JOB_HEADERS or the cluster's key",
                )
        return made


def with_headers(request: httpx.Request, headers: dict[str, str]) -> httpx.Request:
    """The request with the headers; a user name and password in its URL take precedence, as in httpx."""
    request.headers.update(headers)
    url = request.url
    if url.username or url.password:
        return next(httpx.BasicAuth(url.username, url.password).auth_flow(request))
    return request
