"""The lab's cloud on a machine without a storage stand-in, and its doors that ask for no token."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

from cloud import config, labfile
from cloud.backend import Backend
from cloud.server import Cloud
from cloud.storage import NO_STORAGE
from cloud.tokens import Tokens
from cluster import ports
from iam.lab import FILE as LAB_FILE

FLAVOR = {"Metadata-Flavor": "Google"}


def ask(path: str, headers: Mapping[str, str] = {}, door: int = 0) -> tuple[int, str]:
    """Status and text of one GET to the emulator's door (0), the metadata server (1) or the own one (2)."""

    async def run() -> tuple[int, str]:
        chosen = ports.pick(3, set())
        cloud = Cloud(
            labfile.load(LAB_FILE, None),
            Tokens(b"x" * 32, 60),
            Backend(""),
            "lab-project",
            "http://own.invalid",
        )
        await cloud.make_buckets()
        await cloud.open_emulator(chosen[0])
        await cloud.open_metadata("127.0.0.1", chosen[1], lambda: cloud.world.job)
        await cloud.open_own(chosen[2])
        try:
            url = f"http://127.0.0.1:{chosen[door]}{path}"
            async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as reply:
                return reply.status, await reply.text()
        finally:
            await cloud.close()

    return asyncio.run(run())


def test_storage_answers_501_in_googles_words() -> None:
    status, text = ask("/storage/v1/b/lab-data/o/hello.txt")
    assert status == 501
    assert '"reason": "notImplemented"' in text
    assert NO_STORAGE in text


def test_the_cloud_itself_is_well() -> None:
    assert ask("/health", door=2) == (200, "ok, without storage")
    assert ask("/computeMetadata/v1/project/project-id", FLAVOR, door=1) == (200, "lab-project")


def test_a_foreign_host_and_any_origin_are_refused() -> None:
    for door in (0, 1):
        for more in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
            answer: Any = ask("/computeMetadata/v1/", {**FLAVOR, **more}, door)
            assert answer == (403, "Not from here.")


def test_set_and_empty_means_none() -> None:
    assert config.read({"LAB_STORAGE": ""}).storage == ""
    assert config.read({}).storage == "http://storage:4443"
