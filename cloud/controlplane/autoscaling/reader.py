"""Reads a cluster's load from its head's dashboard."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp

from cloud.controlplane.autoscaling.load import Load, parse

log = logging.getLogger("raydock.vertex")

TIMEOUT = 10.0  # seconds per request
HEADERS = {"User-Agent": "raydock"}  # Ray 2.47.1's dashboard returns 500 without one


async def read_load(head: str, port: int) -> Load | None:
    """The load that a head reports; None if it does not respond or has not reported one yet."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with aiohttp.ClientSession(
            f"http://{head}:{port}", timeout=timeout, headers=HEADERS
        ) as session:
            status, nodes = await asyncio.gather(
                get(session, "/api/cluster_status"), get(session, "/nodes?view=summary")
            )
        return parse(status, nodes)
    except (aiohttp.ClientError, TimeoutError, ValueError, TypeError, KeyError, AttributeError) as fault:
        log.info("could not read the load of head %s: %r", head, fault)
        return None


async def get(session: aiohttp.ClientSession, path: str) -> Any:
    """The JSON of a successful response."""
    async with session.get(path, raise_for_status=True) as answer:
        return await answer.json()
