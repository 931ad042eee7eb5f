"""Any Ray dashboard, identified by its address."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from raydock.errors import UsageError
from raydock.rayapi.cluster_info import NodeResources
from raydock.rayapi.connection import Connection, ExpectedVersions

from . import TargetOptions


@dataclass(frozen=True, slots=True)
class AddressTarget:
    """The dashboard at `url`. It may run any version that the script accepts."""

    url: str
    name: str = "address"
    fix: str = "check the address, and that a Ray dashboard is listening there"
    expects: ExpectedVersions = ExpectedVersions()

    @property
    def flags(self) -> str:
        return f"--address {shlex.quote(self.url)} "

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Nothing to wait for: the first request reports what is wrong."""

    def connect(self) -> Connection:
        local = urlsplit(self.url).hostname in {"127.0.0.1", "localhost", "::1"}
        return Connection(self.url, job_headers, through_proxy=not local)

    def addable(self) -> tuple[NodeResources, ...]:
        """None: a dashboard does not report what its autoscaler may add."""
        return ()

    def google(self) -> None:
        """Unknown: a dashboard does not report which Google Cloud its jobs use, or who they run as."""
        return None


def job_headers() -> dict[str, str]:
    """The headers in RAY_JOB_HEADERS, a JSON object, as in Ray's own commands. Raises UsageError for anything else."""
    text = os.environ.get("RAY_JOB_HEADERS", "")
    try:
        headers = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        headers = None
    if not isinstance(headers, dict):
        raise UsageError(
            "RAY_JOB_HEADERS is not a JSON object.",
            """export RAY_JOB_HEADERS='{"Authorization": "Bearer KEY"}'""",
        )
    return {str(name): str(value) for name, value in headers.items()}


def create(asked: TargetOptions) -> AddressTarget:
    """The target for `http://HOST:PORT` or `https://HOST`. Raises UsageError for anything else."""
    address = asked.address
    try:
        parts = urlsplit(address or "")
        if parts.scheme == "ray":
            raise UsageError(
                f"{address} is a Ray Client address; jobs are sent to the dashboard.",
                f"--address http://{parts.hostname or 'HOST'}:8265",
            )
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"{address!r} is not a dashboard address.", "--address http://HOST:8265")
    return AddressTarget((address or "").rstrip("/"))
