"""Which Kubernetes service account a pod's address stands for, as the metadata server asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from cloud.controlplane.errors import NodesFailed
from cloud.kubernetes.pod_identity import PodIdentity
from cloud.kubernetes.pods.runner import RunningPod
from kuberay.pods import ANNOTATION

POD = {"metadata": {"uid": "u", "namespace": "ml"}, "spec": {"serviceAccountName": "trainer"}}


class Engine:
    """One running pod."""

    fails = False

    async def list(self) -> list[RunningPod]:
        if self.fails:
            raise NodesFailed("The Docker engine does not respond.")
        return [
            RunningPod("u", "ml/a", "ready", "10.0.0.2", "Up", "c"),
            RunningPod("v", "ml/a", "made", "", "", "d"),
        ]


class Server:
    """Its object, and its account."""

    async def listed(self, *_: str) -> list[Any]:
        return [{"metadata": {"uid": "other"}}, POD]

    async def call(self, verb: str, path: str) -> dict[str, Any]:
        assert (verb, path) == ("GET", "/api/v1/namespaces/ml/serviceaccounts/trainer")
        return {"metadata": {"annotations": {ANNOTATION: "a@p.iam.gserviceaccount.com"}}}


IDENTITY = '{"project": "p", "workload": "ml/trainer", "account": "a@p.iam.gserviceaccount.com"}'


@pytest.mark.parametrize(
    ("address", "fails", "answer"),
    [
        ("10.0.0.2", False, (200, IDENTITY)),
        ("10.0.0.3", False, (404, "10.0.0.3 is not a pod.")),
        ("", False, (404, " is not a pod.")),
        ("10.0.0.2", True, (503, "The Docker engine does not respond.")),
    ],
)
def test_who(address: str, fails: bool, answer: tuple[int, str]) -> None:
    engine: Any = Engine()
    engine.fails, server = fails, Server()

    async def ask() -> tuple[int, str]:
        app = PodIdentity(server, engine, "p").application()  # type: ignore[arg-type]
        async with TestClient(TestServer(app)) as client:
            reply = await client.get("/who", params={"address": address})
            return reply.status, await reply.text()

    assert asyncio.run(ask()) == answer
