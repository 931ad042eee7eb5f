"""Both clients of the dashboard, with and without an event loop: one test body for each behaviour."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from cloud.gateway.proxy import AWAY
from raydock.errors import RaydockError, ServerError, Unreachable, UsageError
from raydock.rayapi import client, nodes
from raydock.rayapi.blocking import BlockingDashboard, responds
from raydock.rayapi.connection import Connection, Gateway, Target
from raydock.rayapi.dashboard import Dashboard
from tests.fakes import Answer, FakeDashboard

Ask = Callable[[Connection], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A target whose connection is given."""

    connection: Connection
    fix: str = "look there"

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Always."""

    def connect(self) -> Connection:
        return self.connection


def ask_blocking(connection: Connection) -> Mapping[str, Any]:
    with BlockingDashboard(connection, "look there") as dashboard:
        return cast("Mapping[str, Any]", dashboard.json("/api/version"))


def ask_async(connection: Connection) -> Mapping[str, Any]:
    async def ask() -> Mapping[str, Any]:
        async with Dashboard(cast("Target", Fixed(connection))) as dashboard:
            return await dashboard.version()

    return asyncio.run(ask())


@pytest.fixture(params=[ask_blocking, ask_async])
def ask(request: pytest.FixtureRequest) -> Ask:
    return cast("Ask", request.param)


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


@dataclass
class Keys:
    """Numbered keys; a rejected one is replaced if `renews`."""

    renews: bool
    rejected: list[str] = field(default_factory=list)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer key-{len(self.rejected)}"}

    def turned_down(self, headers: Mapping[str, str]) -> bool:
        self.rejected += [headers["Authorization"]]
        return self.renews


def authenticated(ray: FakeDashboard, keys: Keys) -> Connection:
    return Connection(ray.url, keys.headers, turned_down=keys.turned_down, access="ask for access")


def test_a_rejected_key_is_renewed_once(ray: FakeDashboard, ask: Ask) -> None:
    ray.token, keys = "key-1", Keys(renews=True)
    assert ask(authenticated(ray, keys))["ray_version"] == "2.47.1"
    assert (keys.rejected, len(ray.requests)) == (["Bearer key-0"], 2)


@pytest.mark.parametrize(("renews", "requests"), [(True, 2), (False, 1)])
def test_denied_access_names_its_own_fix(ray: FakeDashboard, ask: Ask, renews: bool, requests: int) -> None:
    ray.token = "another"
    with pytest.raises(ServerError) as denied:
        ask(authenticated(ray, Keys(renews)))
    told = denied.value
    assert (told.message, told.fix, told.status, len(ray.requests)) == (
        f"{ray.url} returned 401 for GET /api/version: Unauthorized.", "ask for access", 401, requests,
    )  # fmt: skip


def test_a_sentence_of_the_lab_is_its_own_fix(ray: FakeDashboard, ask: Ask) -> None:
    ray.twist = lambda request, _: Answer(503, AWAY.encode())
    with pytest.raises(ServerError) as away:
        ask(Connection(ray.url))
    assert (away.value.message, away.value.fix) == (
        f"{ray.url} returned 503 for GET /api/version: {AWAY}.",
        "",
    )


def test_a_user_name_in_the_address_takes_precedence(ray: FakeDashboard, ask: Ask) -> None:
    ray.token = "Basic bWU6c2VjcmV0"
    keyed = Connection(ray.url.replace("//", "//me:secret@"), lambda: {"Authorization": "Bearer key"})
    assert ask(keyed)["ray_version"] == "2.47.1"


@pytest.mark.parametrize("key", ["two\nlines", "clé", "\udcff"])
def test_a_key_that_is_no_header(ray: FakeDashboard, ask: Ask, key: str) -> None:
    with pytest.raises(UsageError, match="The header Authorization can't be sent"):
        ask(Gateway(ray.url, key).connection())


NO_JSON = "The server at URL is not a Ray dashboard: /api/version returned no valid JSON."


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (Answer(200, b"[" * 100_000), ServerError, NO_JSON),
        (Answer(200, b"[]"), ServerError, NO_JSON),
        (Answer(302, b"", (("Location", "/sign-in"),)), ServerError, "URL returned 302 for GET /api/version."),
        (Answer(502, b"down\n"), ServerError, "URL returned 502 for GET /api/version: down."),
        (Answer(200, b"{}" * 99, cut=9), Unreachable,
         "The cluster at URL does not answer: the connection was closed before the response was complete."),
    ],
)  # fmt: skip
def test_unexpected_responses(
    ray: FakeDashboard, ask: Ask, answer: Answer, kind: type[RaydockError], message: str
) -> None:
    ray.twist = lambda request, _: answer
    with pytest.raises(RaydockError) as caught:
        ask(Connection(ray.url))
    told = caught.value
    assert (type(told), told.message, told.fix) == (kind, message.replace("URL", ray.url), "look there")


def test_a_server_that_does_not_speak_http(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Unreachable, match="does not answer: the connection was closed"):
            ask(Connection(url))
        thread.join()


def test_unusable_proxies(monkeypatch: pytest.MonkeyPatch, ray: FakeDashboard, ask: Ask) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://proxy:70")
    with pytest.raises(
        UsageError, match="ALL_PROXY sets a proxy that can't be used: gopher:// is not one of"
    ):
        ask(Connection(ray.url))
    assert ask(Gateway(ray.url).connection())["ray_version"] == "2.47.1"


def test_certificates_of_this_machine_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[ssl.SSLContext] = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda context: loaded.append(context))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert [client.trust()] == loaded
    monkeypatch.setenv("SSL_CERT_FILE", "/missing/ca")
    with pytest.raises(UsageError, match="SSL_CERT_FILE is '/missing/ca', which can't be used"):
        client.trust()
    assert len(loaded) == 1


ROW = {"node_id": "a" * 56, "node_name": "head", "state": "ALIVE", "labels": {"pool": "head"}}


def test_the_nodes_of_the_local_cluster(ray: FakeDashboard) -> None:
    worker = ROW | {
        "node_id": "b",
        "labels": {"gpu": "simulated", "host": "w"},
        "resources_total": {"GPU": 2},
    }
    real = {"pool": "gpu-worker", "gpu": "real", "gpu-name": "Tesla-T4", "gpu-mib": "15360"}
    ray.nodes = [ROW | {"labels": real}]
    (node,) = nodes.list_nodes(Gateway(ray.url))
    assert (node.simulated, node.gpu_name, node.gpu_memory) == (False, "Tesla-T4", 15 * 2**30)
    ray.nodes = [worker, ROW, ROW | {"labels": None, "start_time_ms": "?", "state": 7}]
    found = nodes.list_nodes(Gateway(ray.url))
    assert [(node.pool, node.host, node.gpus, node.simulated, node.state) for node in found] == [
        ("head", "", 0, False, "ALIVE"),
        ("-", "w", 2, True, "ALIVE"),
        ("-", "", 0, False, ""),
    ]
    ray.nodes = []
    with pytest.raises(ServerError, match="lists no nodes"):
        nodes.list_nodes(Gateway(ray.url))


def test_whether_something_responds(ray: FakeDashboard) -> None:
    assert responds(Gateway(ray.url), "/api/version")
    assert not responds(Gateway(ray.url), "/missing")
    assert not responds(Gateway("http://127.0.0.1:1"), "/api/version")
