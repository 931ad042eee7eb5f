"""Cloud Storage that is temporarily busy or unreachable: clients retry. Refusals are immediate."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from cluster import ports
from tests.labcloud import AGENT, RunningCloud, lab_cloud

TRIES = 5
# The library leaves the connection of a retried request to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Flaky:
    """A proxy that answers the next `failures` requests with `status` and forwards all others."""

    def __init__(self, behind: str) -> None:
        self.behind, self.status, self.failures = behind, 503, 0
        self.seen: Counter[int] = Counter()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.failures > 0 and "/o" in request.path:
            self.failures -= 1
            self.seen[self.status] += 1
            if self.status == 0:
                assert request.transport
                request.transport.abort()
            return web.json_response({"error": {"code": self.status, "message": "x"}}, status=self.status)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "content-length")}
        async with ClientSession(auto_decompress=False) as session:
            url = self.behind + request.raw_path
            async with session.request(
                request.method, url, headers=headers, data=await request.read()
            ) as reply:
                kept = {
                    k: v
                    for k, v in reply.headers.items()
                    if k.lower() not in ("content-length", "transfer-encoding")
                }
                return web.Response(status=reply.status, body=await reply.read(), headers=kept)


@pytest.fixture(scope="module")
def flaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flaky, RunningCloud]]:
    folder: Path = tmp_path_factory.mktemp("flaky")
    (port,) = ports.pick(1, set())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    with lab_cloud(folder) as lab:
        between = Flaky(lab.gateway)
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", between.handle)
        runner = web.AppRunner(app, access_log=None)

        async def start() -> None:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()

        asyncio.run_coroutine_threadsafe(start(), loop).result(60)
        lab.url = lab.url.replace(lab.gateway, f"http://127.0.0.1:{port}")
        yield between, lab
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(60)
    loop.close()
    with warnings.catch_warnings():  # the client drops a broken connection without closing it
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize("status", [429, 503, 0])
def test_clients_retry_a_busy_storage(flaky: tuple[Flaky, RunningCloud], status: int) -> None:
    """Status 0 breaks the connection. Every attempt succeeds in the end."""
    between, lab = flaky
    bucket = lab.client(AGENT).bucket("lab-data")
    before = between.seen[status]
    for number in range(TRIES):
        between.status, between.failures = status, 1
        bucket.blob("x").upload_from_string(str(number), if_generation_match=None, retry=retry())
        between.status, between.failures = status, 1
        assert bucket.blob("x").download_as_text() == str(number)
    assert between.seen[status] - before >= 2 * TRIES


def retry() -> object:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_delay(initial=0.05, maximum=0.2)


def test_a_refusal_is_not_retried(flaky: tuple[Flaky, RunningCloud], monkeypatch: pytest.MonkeyPatch) -> None:
    from google.api_core.exceptions import Forbidden

    from cloud.identity.access import Access

    _, lab = flaky
    asked: list[str] = []
    known = Access.require

    def counted(self: Access, principal: str, permission: str, *more: object) -> None:
        asked.append(permission)
        known(self, principal, permission, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Access, "require", counted)
    with pytest.raises(Forbidden):
        lab.client(AGENT).bucket("closed-bucket").blob("x").download_as_bytes()
    assert asked == ["storage.objects.get"]
