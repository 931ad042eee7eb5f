"""Query a cluster's dashboard: the local one with its key, one on Vertex AI with the caller's token."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from raydock.errors import NotUp
from raydock.gcp.tokens import AccessToken
from raydock.rayapi.nodes import DIRECT, MOST_BYTES, Gateway, reason
from vertex.cluster import Cluster

SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class DashboardReply:
    """A response. `now` is the server's time in seconds since 1970, or the local time if it sends none."""

    status: int
    body: bytes
    now: float

    def json(self, wanted: type, where: str) -> Any:
        """Return the JSON of a successful response. Raises NotUp for anything else, such as a sign-in page."""
        try:
            value = json.loads(self.body) if self.status == 200 else None
        except ValueError:
            value = None
        if not isinstance(value, wanted):
            raise NotUp(
                f"{where} answered {self.status}, and not as Ray's dashboard does.", "Look at it there."
            )
        return value


class DashboardClient(Protocol):
    """A client of one dashboard."""

    @property
    def url(self) -> str:
        """The base URL."""
        ...

    def get(self, path: str) -> DashboardReply:
        """Send a GET request. Raises NotUp if there is no response or access is denied."""
        ...


@dataclass(frozen=True, slots=True)
class LocalDashboard:
    """The dashboard of the local cluster, behind its gateway."""

    gateway: Gateway

    @property
    def url(self) -> str:
        """The gateway's base URL."""
        return self.gateway.url

    def get(self, path: str) -> DashboardReply:
        """Send a GET request with the cluster's key. Raises NotUp if nothing answers."""
        try:
            with DIRECT.open(self.gateway.request(path), timeout=SECONDS) as answer:
                return DashboardReply(answer.status, answer.read(MOST_BYTES), time.time())
        except urllib.error.HTTPError as fault:
            with fault:
                return DashboardReply(fault.code, b"", time.time())
        except OSError as fault:
            raise NotUp(
                f"The local dashboard at {self.url} does not answer: {reason(fault)}.",
                "Start the cluster: make cluster-up",
            ) from None


@dataclass(slots=True)
class VertexDashboard:
    """The dashboard of a cluster on Vertex AI, over TLS. `client` is an httpx.Client."""

    cluster: Cluster
    token: AccessToken
    client: Any

    @property
    def url(self) -> str:
        """The base URL from the cluster's resource."""
        host = self.cluster.dashboard
        return host if "://" in host else f"https://{host}"

    def get(self, path: str) -> DashboardReply:
        """Send a GET request; a rejected token is renewed once. Raises NotUp if access is still denied."""
        reply = self.once(path)
        if reply.status == 401:
            reply = self.once(path)
        if reply.status in (401, 403):
            raise NotUp(
                f"The dashboard of {self.cluster.id} does not let you in ({reply.status}): {first_line(reply.body)}",
                "Your account needs roles/aiplatform.user on the project.",
            )
        return reply

    def once(self, path: str) -> DashboardReply:
        """Send one GET request without a retry. Raises NotUp if there is no response."""
        import httpx

        token = self.token.value()
        try:
            answer = self.client.get(self.url + path, headers={"Authorization": f"Bearer {token}"})
        except (httpx.TransportError, httpx.InvalidURL) as fault:
            why = str(fault) or type(fault).__name__
            raise NotUp(
                f"The dashboard of {self.cluster.id} does not answer: {why}.",
                "It is reached from here only without a peered network; try again in a minute.",
            ) from None
        if answer.status_code == 401:
            self.token.turned_down(token)
        return DashboardReply(answer.status_code, answer.content, date(answer.headers))


def client() -> Any:
    """Return an httpx.Client that uses Python's trust store and the environment's proxies, and follows no redirects."""
    import httpx

    return httpx.Client(timeout=SECONDS, verify=ssl.create_default_context())


def managed(cluster: Cluster, token: AccessToken) -> VertexDashboard:
    """Return the dashboard of a running cluster. Raises NotUp for any other."""
    if cluster.state not in ("RUNNING", "UPDATING") or not cluster.dashboard:
        raise NotUp(
            f"{cluster.id} is {cluster.state} and has no dashboard.",
            "It has one when it is RUNNING in no peered network.",
        )
    return VertexDashboard(cluster, token, client())


def date(headers: Mapping[str, str]) -> float:
    """The server's time, so that a wrong local clock has no effect; the local time if the server sends none."""
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()


def first_line(body: bytes) -> str:
    """The first line of a response body, at most 200 characters."""
    lines = body.decode(errors="replace").strip().splitlines()
    return lines[0][:200] if lines else "it says no more."
