"""The metadata server for nodes: each node gets its cluster's identity, never another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from cloud import state_file
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.lifecycle.store import Store
from cloud.controlplane.nodes.node_identity import NodeIdentity
from cloud.identity.node_metadata import NodeListeners, NodeMetadata
from cloud.identity.tokens import Tokens
from cloud.listeners import Listeners
from cloud.network import egress
from cloud.network.certificates import load_authority
from cloud.server import Cloud, Network, catch_all
from iam.lab.settings import FILE as LAB_FILE
from tests.fakes import FakeNodes
from tests.labcloud import TRAINER
from tests.unit.cloud.vertex.test_life import NAME, SPEC

FLAVOR = {"Metadata-Flavor": "Google"}
ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"
Ask = Callable[..., Awaitable[tuple[int, str]]]


def with_metadata(work: Callable[[Ask, FakeNodes, Tokens], Awaitable[None]], vertex: bool = True) -> None:
    """Run `work` with a metadata server that sees callers from 127.0.0.1, the fake head's address."""

    async def running() -> None:
        nodes, tokens = FakeNodes(), Tokens(b"s" * 32)
        clusters = Clusters(Store(), nodes, poll=0.005)
        await clusters.wait_until_done(clusters.create(NAME, SPEC, "lab-project", TRAINER, "v1"), 60)
        who = await served(NodeIdentity(clusters).application())
        place = f"127.0.0.1:{who.addresses[0][1]}" if vertex else "127.0.0.1:9"
        world = state_file.load(LAB_FILE, None)
        metadata = await served(catch_all(NodeMetadata(world, tokens, place).handle))
        base = f"http://127.0.0.1:{metadata.addresses[0][1]}"

        async def ask(path: str, **headers: str) -> tuple[int, str]:
            async with (
                aiohttp.ClientSession() as session,
                session.get(base + path, headers=headers) as answer,
            ):
                return answer.status, await answer.text()

        try:
            await work(ask, nodes, tokens)
        finally:
            await who.cleanup()
            await metadata.cleanup()
            await clusters.close()

    asyncio.run(running())


async def served(app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


def test_a_node_has_its_clusters_identity() -> None:
    async def work(ask: Ask, nodes: FakeNodes, tokens: Tokens) -> None:
        assert await ask("/") == (200, "computeMetadata/\n")
        assert await ask(f"{ACCOUNT}/email", **FLAVOR) == (200, TRAINER.removeprefix("serviceAccount:"))
        assert await ask("/computeMetadata/v1/project/project-id", **FLAVOR) == (200, "lab-project")
        status, told = await ask(f"{ACCOUNT}/token", **FLAVOR)
        import json

        assert (status, tokens.principal(json.loads(told)["access_token"])) == (200, TRAINER)
        assert (await ask(f"{ACCOUNT}/email"))[0] == 403  # without Metadata-Flavor

    with_metadata(work)


def test_an_unknown_address_has_no_identity() -> None:
    async def work(ask: Ask, nodes: FakeNodes, tokens: Tokens) -> None:
        nodes.there.clear()
        status, told = await ask(f"{ACCOUNT}/token", **FLAVOR)
        assert (status, told) == (404, "127.0.0.1 is not a cluster node.\n")

    with_metadata(work)


def test_without_the_control_plane_no_identity_is_returned() -> None:
    async def refused(ask: Ask, nodes: FakeNodes, tokens: Tokens) -> None:
        assert await ask(f"{ACCOUNT}/token", **FLAVOR) == (503, "Try again.\n")

    with_metadata(refused, vertex=False)

    async def broken(ask: Ask, nodes: FakeNodes, tokens: Tokens) -> None:
        nodes.fails["list"] = "the engine is down"
        assert await ask(f"{ACCOUNT}/token", **FLAVOR) == (503, "Try again.\n")

    with_metadata(broken)


def test_listeners_follow_the_clusters_networks() -> None:
    """Opened for new networks, closed for deleted ones, unchanged while the control plane does not answer."""
    known: list[str] = []
    events: list[str] = []
    told = asyncio.Event()

    async def doors(_: web.Request) -> web.Response:
        told.set()
        return web.json_response(known) if "down" not in known else web.Response(status=503)

    async def open_door(address: str) -> Callable[[], Awaitable[None]]:
        events.append(f"open {address}")

        async def close() -> None:
            events.append(f"close {address}")

        if address == "10.0.0.9":
            raise OSError("no such address")
        return close

    async def running() -> None:
        app = web.Application()
        app.router.add_get("/doors", doors)
        runner = await served(app)
        found = NodeListeners(f"127.0.0.1:{runner.addresses[0][1]}", open_door)
        following = asyncio.create_task(found.follow(pause=0.001, absent=0.001))

        async def seen(*addresses: str) -> None:
            known[:] = addresses
            for _ in range(3):  # an answer in flight may be outdated
                told.clear()
                await told.wait()

        await seen("10.0.0.2", "10.0.0.9")
        await seen("10.0.0.3")
        await seen("down")
        assert set(found.opened) == {"10.0.0.3"}
        following.cancel()
        await runner.cleanup()

    asyncio.run(asyncio.wait_for(running(), 600))
    assert events[0] in ("open 10.0.0.2", "open 10.0.0.9")
    assert [one for one in dict.fromkeys(events) if "10.0.0.9" not in one] == [
        "open 10.0.0.2",
        "close 10.0.0.2",
        "open 10.0.0.3",
    ]


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[Listeners]:
    """The listeners of each network, which listen nowhere."""
    found: list[Listeners] = []

    async def opened(self: Listeners, app: web.Application, *_: object) -> None:
        if self not in found:
            found.append(self)
        await self.runner(app)

    monkeypatch.setattr(Listeners, "listen", opened)
    return found


@asynccontextmanager
async def opened_cloud(folder: Path) -> AsyncIterator[Cloud]:
    cloud = Cloud(state_file.load(LAB_FILE, None), Tokens(b"s" * 32, 60), folder / "objects", "lab-project")
    try:
        yield cloud
    finally:
        await cloud.close()


def test_a_network_is_opened_as_a_whole_or_not_at_all(
    tmp_path: Path, groups: list[Listeners], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-open one would block its own ports at the next attempt."""

    async def refused(*_: object, **__: object) -> None:
        raise OSError("address in use")

    monkeypatch.setattr(egress, "serve", refused)

    async def running() -> None:
        async with opened_cloud(tmp_path) as cloud:
            with pytest.raises(OSError, match="address in use"):
                await cloud.open_network(Network("10.0.0.2", "node"), load_authority(tmp_path))
            assert [(one.runners, one.servers) for one in groups] == [([], [])]
            assert cloud.networks == []

    asyncio.run(running())


def test_networks_that_open_at_the_same_time_close_one_by_one(
    tmp_path: Path, groups: list[Listeners], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Server:
        def close(self) -> None:
            """Nothing listens."""

    async def serve(*_: object, **__: object) -> Server:
        return Server()

    monkeypatch.setattr(egress, "serve", serve)

    async def running() -> None:
        authority = load_authority(tmp_path)
        async with opened_cloud(tmp_path) as cloud:
            networks = [Network(f"10.0.0.{number}", "node") for number in (2, 3)]
            close, _ = await asyncio.gather(*(cloud.open_network(one, authority) for one in networks))
            await close()
            assert [(len(one.runners), len(one.servers)) for one in groups] == [(0, 0), (2, 1)]
            assert cloud.networks == groups[1:]

    asyncio.run(running())
