"""Finds free TCP ports on this machine."""

from __future__ import annotations

import random
import socket

from cluster.errors import PortTaken
from raydock.errors import NotReady

# Above Ray's default range for workers (10002-19999), and below the ephemeral ports for outgoing connections (32768 and
# up on Linux).
LOWEST, HIGHEST = 20000, 32000


def is_free(port: int) -> bool:
    """Whether a server could listen on the port on all of this machine's addresses."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def require_free(port: int) -> None:
    """Raise PortTaken if another program is listening on the port."""
    if not is_free(port):
        raise PortTaken(
            f"Port {port} is already in use by another program.",
            f"Choose another port: RAYDOCK_PORT={port + 1} make cluster-up",
        )


def pick(count: int, taken: set[int]) -> list[int]:
    """Pick `count` free ports at random, excluding those in `taken`. Raises NotReady if there are too few."""
    found: list[int] = []
    for port in random.sample(range(LOWEST, HIGHEST), HIGHEST - LOWEST):
        if port not in taken and is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise NotReady(
        f"Fewer than {count} ports are free between {LOWEST} and {HIGHEST}.",
        "Stop the programs that use them: ss -ltnp",
    )
