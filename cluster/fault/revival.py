"""The process that starts a killed node again: `python -m cluster.fault.revival FAULT NODE UNTIL` (a Unix time).

It runs in its own session, so it outlives the command that killed the node, and writes to .raydock/logs.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence

from cluster import runtimes
from cluster.errors import Busy
from cluster.fault import client, node
from cluster.runtimes import Context
from cluster.sizes import of_running
from cluster.state import lock
from raydock import settings, state, topology
from raydock.errors import NotUp, RaydockError
from raydock.settings import ROOT

POLL = 1.0  # seconds
PATIENCE = 600.0  # seconds to wait for another command that is changing the cluster

log = logging.getLogger("raydock.fault")


def main(argv: Sequence[str]) -> int:
    """Wait for the fault's end and start the node. Returns 0, or 1 if that failed, with the reason in the log."""
    id, name, until = argv
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    log.setLevel(logging.INFO)  # the HTTP client would log every request
    found = settings.read()
    context = Context(ROOT, state.folder(found), found, topology.load(ROOT, found), log.info)
    try:
        wait(lambda: is_active(context, id), float(until))
        log.info("starting %s, unless it is running", name)
        revive(context, name, float(until) + PATIENCE)
    except NotUp:
        log.info("the cluster has been removed")
    except RaydockError as fault:
        log.error("%s %s", fault.message, fault.fix)
        return 1
    return 0


def wait(
    is_active: Callable[[], bool],
    until: float,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when the fault is no longer active, and no later than `until`."""
    while clock() < until and is_active():
        sleep(min(POLL, max(0.0, until - clock())))


def is_active(context: Context, id: str) -> bool:
    """Whether the lab has the fault; also if the lab does not answer. Raises NotUp if the cluster was removed."""
    if not context.dashboard.key:
        raise NotUp("The cluster has been removed.")
    try:
        return any(one.id == id for one in client.of_cluster(context.dashboard).active())
    except RaydockError:
        return True


def revive(context: Context, name: str, deadline: float) -> None:
    """Start the node if it is still down. Raises Busy if other commands change the cluster until the deadline."""
    while True:
        try:
            with lock.held(context.state):
                node.start_again(of_running(context), runtimes.current(context), [name])
                return
        except Busy:
            if time.time() > deadline:
                raise
            time.sleep(POLL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
