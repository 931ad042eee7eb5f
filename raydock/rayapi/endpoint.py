"""What every client of a dashboard shares: its timeouts, and the errors for a request that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from raydock import answers
from raydock.errors import ServerError, Unreachable
from raydock.rayapi.connection import Connection

from . import no_answer
from .environment import proxies

PROXY_STATUSES = frozenset({502, 503, 504})
OWN_FIX = "python -m cluster"  # in the lab's sentences (cloud/gateway), which say what to do
UNFINISHED = (httpx.RequestError, httpx.InvalidURL)  # what httpx raises for a request without a response


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of requests, in seconds."""

    connect: float = 5
    read: float = 10
    submit: float = 30  # the head starts the job's supervisor before it answers
    upload: float = 300  # for a whole 100 MiB package on a slow connection

    def of(self, read: float = 0) -> httpx.Timeout:
        """httpx's timeout for a request whose response may take `read` seconds."""
        return httpx.Timeout(read or self.read, connect=self.connect)


DEFAULT = Timeouts()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A dashboard as its errors describe it. `fix` is what to do if it does not answer."""

    connection: Connection
    fix: str
    timeouts: Timeouts = DEFAULT

    @property
    def url(self) -> str:
        """The base URL."""
        return self.connection.base_url

    def parsed(self, reply: httpx.Response, wanted: type = dict) -> Any:
        """The response's JSON. Raises ServerError if it is not of the expected type."""
        try:
            value = answers.parsed(reply.content)
        except ValueError:
            value = None
        if not isinstance(value, wanted):
            raise ServerError(
                f"The server at {self.url} is not a Ray dashboard: {reply.request.url.path} returned no valid JSON.",
                self.fix,
            )
        return value

    def unreachable(self, fault: Exception) -> Unreachable:
        """The error for a request without a response."""
        why = no_answer.reason(fault, self.timeouts.connect)
        if isinstance(fault, httpx.ConnectError) and not isinstance(fault, httpx.ConnectTimeout):
            why += self.way
        return Unreachable(f"The cluster at {self.url} does not answer: {why}.", self.fix)

    @property
    def way(self) -> str:
        """A note on the environment's proxies, any of which may have caused the failure; "" if there are none."""
        names = [name for name, _ in proxies()] if self.connection.through_proxy else []
        return f" (the environment sets a proxy: {', '.join(names)})" if names else ""

    def refusal(self, reply: httpx.Response) -> ServerError | Unreachable:
        """The error for an error response. The last line of a server traceback that has words is the reason."""
        base = httpx.URL(self.url).path.rstrip("/")
        where = f"{reply.request.method} {reply.request.url.path.removeprefix(base)}"
        lines = reason(reply).splitlines() if reply.is_closed else []
        lines = [line for line in lines if any(map(str.isalnum, line))]  # Ray may end it with a line "."
        why = ": " + lines[-1].strip()[:300].rstrip(".") if lines else ""
        if self.connection.proxied and reply.status_code in PROXY_STATUSES:
            return Unreachable(f"The cluster at {self.url} does not answer{why}.", self.fix)
        denied = self.connection.access if reply.status_code in (401, 403) else ""
        fix = denied or ("" if OWN_FIX in why else self.fix)
        return ServerError(
            f"{self.url} returned {reply.status_code} for {where}{why}.", fix, reply.status_code
        )


def reason(reply: httpx.Response) -> str:
    """The text of an error response; of a Kubernetes API server's Status object, its message."""
    body = reply.text.strip()
    if not body.startswith("{"):
        return body
    try:
        return answers.text(answers.mapping(answers.parsed(reply.content)).get("message")) or body
    except ValueError:
        return body
