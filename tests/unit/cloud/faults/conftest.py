"""A lab with a bucket, and its faults, set through the lab API."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.labcloud import KEY, RunningCloud
from tests.unit.cloud.storage.conftest import bucket, new

__all__ = ["bucket", "new"]
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(lab: RunningCloud) -> Ask:
    """Call the lab API's faults: the status and the JSON of the response."""

    def call(method: str, body: Any = None, query: str = "", key: str = KEY) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection(urlsplit(lab.gateway).netloc, timeout=60)) as connection:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            connection.request(method, f"/lab/faults{query}", json.dumps(body) if body else None, headers)
            with closing(connection.getresponse()) as reply:
                text = reply.read()
                return reply.status, json.loads(text) if text.startswith(b"{") else text.decode()

    return call


@pytest.fixture
def start(ask: Ask) -> Iterator[Callable[..., str]]:
    """Start a fault and return its ID. All faults end with the test."""

    def made(kind: str, **fields: Any) -> str:
        status, found = ask("POST", {"fault": {"kind": kind, **fields}, "seconds": 60})
        assert status == 200, found
        return str(found["faults"][0]["id"])

    yield made
    assert ask("DELETE")[0] == 200
