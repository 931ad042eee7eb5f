"""A dashboard client for code without an event loop: one GET at a time."""

from __future__ import annotations

from typing import Any

import httpx

from raydock.errors import Unavailable
from raydock.rayapi.connection import Connection, Gateway

from .client import open_client
from .endpoint import DEFAULT, UNFINISHED, Endpoint, Timeouts

START = "Start the cluster: make cluster-up"


class BlockingDashboard:
    """One dashboard. A context manager; raises ServerError and Unreachable like `Dashboard`.

    `fix` is what to do if it does not answer.
    """

    def __init__(self, connection: Connection, fix: str, timeouts: Timeouts = DEFAULT) -> None:
        self.endpoint = Endpoint(connection, fix, timeouts)
        self.client = open_client(self.endpoint)

    def __enter__(self) -> BlockingDashboard:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @property
    def url(self) -> str:
        """The base URL."""
        return self.endpoint.url

    def get(self, path: str, accept: frozenset[int] = frozenset({200})) -> httpx.Response:
        """One bounded GET request. Raises ServerError for a status that is not in `accept`."""
        try:
            reply = self.client.get(path)
        except UNFINISHED as fault:
            raise self.endpoint.unreachable(fault) from None
        if reply.status_code not in accept:
            raise self.endpoint.refusal(reply)
        return reply

    def json(self, path: str, wanted: type = dict) -> Any:
        """The JSON that a GET returns. Raises ServerError if it is not of the expected type."""
        return self.endpoint.parsed(self.get(path), wanted)


def local(gateway: Gateway) -> BlockingDashboard:
    """The local cluster's dashboard. Raises UsageError if the address is invalid."""
    return BlockingDashboard(gateway.connection(), START)


def get(gateway: Gateway, path: str, wanted: type = dict) -> Any:
    """The JSON that a single GET to the local cluster returns. Raises ServerError and Unreachable."""
    with local(gateway) as dashboard:
        return dashboard.json(path, wanted)


def responds(gateway: Gateway, path: str) -> bool:
    """Whether a single GET to the local cluster succeeds."""
    try:
        with local(gateway) as dashboard:
            dashboard.get(path)
    except Unavailable:
        return False
    return True
