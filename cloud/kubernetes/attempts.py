"""Runs a step for each object, so that one that fails does not keep the others from their turn."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.kubernetes.api import NotAnswering

log = logging.getLogger("raydock.kubernetes")


@dataclass(slots=True)
class Attempts:
    """The steps that failed, by object, to log each reason once."""

    failed: dict[str, str] = field(default_factory=dict)

    async def run(self, found: Mapping[str, Any], step: Awaitable[None]) -> None:
        """Run a step for an object, and log why it fails. Raises NotAnswering: then the others would fail too."""
        about = found["metadata"]
        name = f"{about.get('namespace', '')}/{about['name']}"
        try:
            await step
        except NotAnswering:
            raise
        except Exception as fault:  # whatever a user can write into an object
            text = f"{type(fault).__name__}: {fault}"
            if self.failed.get(name) != text:
                log.warning("%s: %s", name, text)
            self.failed[name] = text
        else:
            self.failed.pop(name, None)
