"""TCP ports of this machine."""

from __future__ import annotations

import random
import socket

from cluster.errors import PortTaken
from raydock.errors import NotReady

# Above the ports that Ray gives to workers by default (10002-19999), below those that the system gives
# to outgoing connections (32768 and up on Linux).
LOWEST, HIGHEST = 20000, 32000


def is_free(port: int) -> bool:
    """Whether a server could listen there, on any address of this machine."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def require_free(port: int) -> None:
    """PortTaken where something else listens there."""
    if not is_free(port):
        raise PortTaken(
            f"Port {port} of this machine is taken by another program.",
            f"Choose another one: RAYDOCK_PORT={port + 1} make cluster-up",
        )


def pick(count: int, taken: set[int]) -> list[int]:
    """That many free ports outside `taken`, in an order of chance."""
    found: list[int] = []
    for port in random.sample(range(LOWEST, HIGHEST), HIGHEST - LOWEST):
        if port not in taken and is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise NotReady(
        f"There are no {count} free ports from {LOWEST} to {HIGHEST}.", "End what holds them: ss -ltnp"
    )
