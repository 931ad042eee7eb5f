"""The sign-in form in a real browser: Chromium, driven over the DevTools protocol."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cloud.gateway.proxy import DOWN
from tests.labcloud import KEY, RunningCloud, lab_cloud

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")
HANGS, PAUSE = 600.0, 0.05  # seconds: after which something hangs, between two looks

pytestmark = [
    pytest.mark.nightly("tests/unit/cloud/test_gateway.py::test_sign_in_with_the_form"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("lab")) as found:
        yield found


@contextmanager
def browser(profile: Path) -> Iterator[int]:
    """Chromium with a profile of its own; the port of its DevTools."""
    assert CHROMIUM
    process = subprocess.Popen(
        [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(profile)},
    )  # fmt: skip
    try:
        told = profile / "DevToolsActivePort"
        for _ in range(int(HANGS / PAUSE)):
            if told.exists() and told.read_text().strip():
                break
            time.sleep(PAUSE)
        yield int(told.read_text().split()[0])
    finally:
        process.terminate()
        process.wait()


class Page:
    """One page. Each call is a method of the protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.numbers = socket, itertools.count(1)

    async def call(self, method: str, **params: Any) -> Any:
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        while True:
            told = await self.socket.receive_json(timeout=HANGS)
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]

    async def value(self, expression: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def until(self, expression: str) -> None:
        for _ in range(int(HANGS / PAUSE)):
            if await self.value(f"document.readyState == 'complete' && !!({expression})"):
                return
            await asyncio.sleep(PAUSE)
        raise AssertionError(f"The page never came to {expression}.")

    async def type(self, text: str) -> None:
        """Into the field, as a user does, and Enter."""
        await self.value("document.querySelector('input').focus()")
        await self.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            await self.call("Input.dispatchKeyEvent", type=kind, **key)


async def sign_in(port: int, url: str, key: str, ends: str) -> tuple[str, str]:
    """Opens a page of the gateway and types a key; the address and the text that this ends at."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/list") as reply:
            where = next(one for one in await reply.json() if one["type"] == "page")["webSocketDebuggerUrl"]
        async with session.ws_connect(where) as socket:
            page = Page(socket)
            await page.call("Page.navigate", url=url)
            await page.until("document.querySelector('input')")
            await page.value("window.before = true")  # gone with the next document
            await page.type(key)
            await page.until(f"!window.before && {ends}")
            return await page.value("location.pathname"), (
                await page.value("document.body.innerText")
            ).strip()


@pytest.mark.parametrize("path", ["/", "/login", "/?token=wrong"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_typing_the_key_lets_in(lab: RunningCloud, tmp_path: Path, path: str, host: str) -> None:
    """There is no dashboard behind this gateway: what it says of that is what only those who are in are told."""
    url = lab.gateway.replace("127.0.0.1", host)
    with browser(tmp_path) as port:
        ended = asyncio.run(sign_in(port, url + path, KEY, "document.body.innerText"))
    assert ended == ("/", DOWN)


def test_a_wrong_key_shows_the_form_again(lab: RunningCloud, tmp_path: Path) -> None:
    with browser(tmp_path) as port:
        path, _ = asyncio.run(sign_in(port, lab.gateway, "wrong", "document.querySelector('input')"))
    assert path == "/login"
