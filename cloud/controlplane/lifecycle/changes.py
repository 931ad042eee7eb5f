"""Lets callers wait for a change to a cluster or an operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClusterChanges:
    """Notifies waiting callers of every change."""

    condition: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def notify(self) -> None:
        """Wake the callers that wait for a change."""
        async with self.condition:
            self.condition.notify_all()

    async def wait_for(self, check: Callable[[], bool], seconds: float) -> None:
        """Wait up to this many seconds for `check` to return true. It is called after each change."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.condition:
                await self.condition.wait_for(check)
