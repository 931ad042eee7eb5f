"""Starts the lab's cloud in the processes runtime, restarts it if it has stopped, and waits until it responds."""

from __future__ import annotations

from dataclasses import replace

from cluster.processes import launch, process_tree, record, services
from cluster.processes.identity import LOOPBACK
from cluster.processes.record import ProcessesRecord
from cluster.runtimes import Context
from raydock import startup
from raydock.errors import ServerError, Unreachable
from raydock.rayapi import blocking
from raydock.rayapi.connection import Gateway
from raydock.waiting import wait_until

START_SECONDS = 60.0
AGAIN = "Try again: make cluster-up"


def stopped_services(context: Context, found: ProcessesRecord) -> list[str]:
    """The cloud's name if it is not running, otherwise an empty list."""
    owned = process_tree.Owned(str(context.state), services.CLOUD)
    return [] if owned.has(found.services.get(services.CLOUD, 0)) else [services.CLOUD]


def ensure(context: Context, found: ProcessesRecord, restart: bool = False) -> ProcessesRecord:
    """Start the cloud if it has stopped, uses an outdated key, or if `restart` is set. Wait until it responds.

    If it can't start, raises CommandFailed with the cloud's own message.
    """
    if restart or stopped_services(context, found) or rejects_key(context):
        context.steps.status("starting the lab's cloud")
        process_tree.Owned(str(context.state), services.CLOUD).end()
        vector, environ = services.command(found), services.environment(context, found)
        code = services.code(context)
        found = found.with_service(services.CLOUD, launch.launch_process(context, found, vector, environ))
        found = replace(found, code=code)
        record.save(context.state, found)
    wait_until(
        lambda: missing(context, found),
        START_SECONDS,
        "Starting the lab's cloud",
        context.steps.status,
        AGAIN,
    )
    return found


def rejects_key(context: Context) -> bool:
    """Whether the gateway responds but rejects the key, because a new key was created after it started."""
    try:
        blocking.get(context.dashboard, "/lab/")
    except ServerError as fault:
        return fault.status == 401
    except Unreachable:
        pass
    return False


def missing(context: Context, found: ProcessesRecord) -> str:
    """What is not responding yet, or "" if everything is. Raises CommandFailed if the cloud has exited."""
    for name in stopped_services(context, found):
        raise startup.why(name, launch.log(context, name).read()).error()
    own = Gateway(f"http://{LOOPBACK}:{found.ports.own}")
    up = blocking.responds(context.dashboard, "/lab/") and blocking.responds(own, "/health")
    return "" if up else "waiting for the lab's cloud"
