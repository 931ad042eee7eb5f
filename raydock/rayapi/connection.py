"""How to reach a Ray cluster, and what differs between the targets of a job."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from raydock.gcp.clouds import GoogleCloud
    from raydock.rayapi.cluster_info import NodeResources


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the Job API: its base URL, and headers that are created for each request.

    `slow` headers may have to fetch a token, so they are created in a thread. They raise a RaydockError on failure.
    `turned_down` is called with headers that the server rejected with 401. It returns whether to retry with new ones.
    `access` is the fix if the server denies access (401 or 403), "" if it is the same as when it does not answer.
    `trusted` creates the TLS context if it is not that of this machine; `proxy` is an HTTP proxy for this server alone.
    `proxied` says that a 502, 503 or 504 is the answer of a proxy: the dashboard may have received the request.
    `transient` says that the cluster is deleted after its job, so that the job's log has to be kept elsewhere.
    `page` is the address for a browser if it differs from the base URL, with `page_needs` saying what it takes.
    """

    base_url: str
    headers: Callable[[], Mapping[str, str]] = dict
    through_proxy: bool = True  # whether the environment's HTTP proxies may be used
    slow: bool = False
    turned_down: Callable[[Mapping[str, str]], bool] = lambda headers: False
    access: str = ""
    trusted: Callable[[], ssl.SSLContext] | None = None
    proxy: str = ""
    proxied: bool = False
    transient: bool = False
    page: str = ""
    page_needs: str = ""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway in front of the local cluster's dashboard, and its key."""

    url: str
    key: str = field(default="", repr=False)

    @property
    def link(self) -> str:
        """A link for browsers: the gateway exchanges the key for a cookie, as Jupyter does."""
        return f"{self.url}/?token={self.key}" if self.key else self.url

    def connection(self) -> Connection:
        """The connection. The environment's proxies are for other machines, not for this one."""
        return Connection(self.url, self.headers, through_proxy=False)

    def headers(self) -> dict[str, str]:
        """The header with the key."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


@dataclass(frozen=True, slots=True)
class ExpectedVersions:
    """The Ray and Python versions that the target must run; empty for any."""

    ray: str = ""
    python: str = ""


class Target(Protocol):
    """What differs between the targets of a job; everything else is shared."""

    @property
    def name(self) -> str:
        """The value of `--target`."""
        ...

    @property
    def flags(self) -> str:
        """The command-line flags that select the same target."""
        ...

    @property
    def fix(self) -> str:
        """What to do if it does not answer."""
        ...

    @property
    def expects(self) -> ExpectedVersions:
        """The versions that it must run."""
        ...

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Find the target and wait until it accepts jobs, reporting to `tell`. Raises a RaydockError."""
        ...

    def connect(self) -> Connection:
        """The connection. Raises UsageError if the target's settings are invalid."""
        ...

    def google(self) -> GoogleCloud | None:
        """The Google Cloud that its jobs use, including their principal; None if unknown."""
        ...

    def addable(self) -> Sequence[NodeResources]:
        """The nodes that an autoscaler would add for a job that needs them."""
        ...
