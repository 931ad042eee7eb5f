"""A cluster's network, on a fake of the engine's API."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.nodes import networks
from cloud.controlplane.nodes.networks import Networks

CLUSTER = "projects/1/locations/us-central1/persistentResources/a"
ALIASES = {"cloud": ["storage.googleapis.com", "cluster.raydock.internal", "cloud"], "vertex": ["vertex"]}


@dataclass
class Engine:
    """Records networks and their members. A container's id is its service's name."""

    held: dict[str, dict[str, str]] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    async def ask(self, verb: str, path: str, accepted: tuple[int, ...] = (), **sent: Any) -> Any:
        body = sent.get("json", {})
        parts = path.split("/")
        if path == "/networks/create":
            self.held.setdefault(body["Name"], {})
            self.labels[body["Name"]] = body["Labels"]
            assert body["Internal"]
            return {}
        if path == "/containers/json":
            wanted = json.loads(sent["params"]["filters"])["label"]
            return [{"Id": one} for one in ALIASES if f"com.docker.compose.service={one}" in wanted]
        if parts[1] == "containers":
            return {"NetworkSettings": {"Networks": {"raydock_cluster": {"Aliases": ALIASES[parts[2]]}}}}
        if path == "/networks":
            return [{"Labels": labels} for labels in self.labels.values()]
        name = parts[2]
        if parts[3:] == ["connect"]:
            self.calls.append(f"connect {body['Container']} {' '.join(body['EndpointConfig']['Aliases'])}")
            self.held[name][body["Container"]] = f"10.0.0.{len(self.held[name]) + 2}/24"
        elif parts[3:] == ["disconnect"]:
            del self.held[name][body["Container"]]
        elif verb == "DELETE":
            assert not self.held.pop(name, {})
            self.labels.pop(name, None)
        else:
            return {"Containers": {one: {"IPv4Address": at} for one, at in self.held.get(name, {}).items()}}
        return {}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    found = Engine()

    async def is_listening(address: str) -> bool:
        found.calls.append(f"look {address}")
        return True

    monkeypatch.setattr(networks, "is_listening", is_listening)
    return found


def test_both_services_are_connected_before_the_check(engine: Engine) -> None:
    """The service that checks has no route to it before."""
    found = Networks(engine.ask, "raydock")
    asyncio.run(found.ensure(CLUSTER))
    asyncio.run(found.ensure(CLUSTER))  # idempotent
    assert engine.calls == [
        "connect cloud storage.googleapis.com cloud",  # without the aliases of the job's network
        "connect vertex vertex",
        "look 10.0.0.2",
        "look 10.0.0.2",
    ]
    assert asyncio.run(found.cloud_addresses()) == ["10.0.0.2"]


def test_a_recreated_cloud_container_is_reconnected(engine: Engine) -> None:
    found = Networks(engine.ask, "raydock")
    asyncio.run(found.ensure(CLUSTER))
    del engine.held[found.name(CLUSTER)]["cloud"]
    asyncio.run(found.ensure(CLUSTER))
    assert [call.split()[1] for call in engine.calls if call.startswith("connect")] == [
        "cloud",
        "vertex",
        "cloud",
    ]


def test_a_cloud_container_replaced_during_the_wait_is_connected(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is stopping still counts as running, but no longer listens."""
    found = Networks(engine.ask, "raydock")
    asyncio.run(found.ensure(CLUSTER))
    running = ["cloud"]

    async def containers(_: Networks, service: str) -> list[str]:
        return list(running) if service == "cloud" else [service]

    async def is_listening(address: str) -> bool:
        if running == ["cloud"]:  # stops; then none runs; then its successor
            running.clear()
            return False
        return address == engine.held[found.name(CLUSTER)]["successor"].partition("/")[0]

    async def sleep(_: float) -> None:
        if not running and engine.held[found.name(CLUSTER)].pop("cloud", None) is None:
            running.append("successor")

    monkeypatch.setitem(ALIASES, "successor", ALIASES["cloud"])
    monkeypatch.setattr(Networks, "containers", containers)
    monkeypatch.setattr(networks, "is_listening", is_listening)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(found.ensure(CLUSTER))
    assert engine.calls[-1] == "connect successor storage.googleapis.com cloud"


def test_a_network_is_deleted_with_its_members_disconnected(engine: Engine) -> None:
    found = Networks(engine.ask, "raydock")
    asyncio.run(found.ensure(CLUSTER))
    asyncio.run(found.delete(CLUSTER))
    asyncio.run(found.delete(CLUSTER))
    assert (engine.held, asyncio.run(found.clusters()), asyncio.run(found.cloud_addresses())) == ({}, [], [])


def test_a_cloud_that_never_answers_fails_the_cluster(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: str) -> bool:
        return False

    monkeypatch.setattr(networks, "is_listening", never)
    monkeypatch.setattr(networks, "TIMEOUT", 0.01)
    with pytest.raises(NodesFailed, match=r"does not respond on the cluster's network \(10\.0\.0\.2\)"):
        asyncio.run(Networks(engine.ask, "raydock").ensure(CLUSTER))
