"""A new bucket per test, in a shared lab."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.labcloud import YOU, RunningCloud
from tests.unit.cloud.storage.wire import Wire

NUMBERS = itertools.count()


@pytest.fixture
def new(lab: RunningCloud) -> Callable[..., Wire]:
    """Create a bucket with these bindings and return it as the owner sees it."""

    def make(*bindings: dict[str, Any]) -> Wire:
        name = f"unit-{next(NUMBERS)}"

        async def add() -> None:
            lab.world.add_bucket(name, "lab-project")
            holder = lab.world.buckets[name]
            lab.world.set_policy(holder, {"version": 3, "bindings": [*holder.policy["bindings"], *bindings]})
            lab.cloud.service.index.put_bucket(name, "lab-project", {})

        asyncio.run_coroutine_threadsafe(add(), lab.loop).result(60)
        return Wire(lab.url, name, {"Authorization": f"Bearer {lab.token(YOU)}"})

    return make


@pytest.fixture
def bucket(new: Callable[..., Wire]) -> Wire:
    return new()


@pytest.fixture
def acting(lab: RunningCloud) -> Callable[[Wire, str], Wire]:
    """The same bucket as another principal; "" sends no token."""

    def act(found: Wire, principal: str) -> Wire:
        headers = {"Authorization": f"Bearer {lab.token(principal)}"} if principal else {}
        return Wire(found.url, found.bucket, headers)

    return act
