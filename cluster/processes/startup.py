"""Starts the cloud of a cluster of processes, again where it has ended, and waits for it."""

from __future__ import annotations

from dataclasses import replace
from urllib.error import HTTPError

from cluster.deadline import until
from cluster.errors import CommandFailed
from cluster.runtimes import Context
from cluster.processes import launch, process_tree, record, services
from cluster.processes.identity import LOOPBACK
from cluster.processes.record import ProcessesRecord
from raydock.rayapi import nodes
from raydock.rayapi.nodes import Gateway

START_SECONDS = 60.0
AGAIN = "Try again: make cluster-up"


def ended(context: Context, found: ProcessesRecord) -> list[str]:
    """The cloud's name, where it does not run."""
    ours = replace(process_tree.Owned(str(context.state)), node=services.CLOUD)
    return [] if ours.has(found.services.get(services.CLOUD, 0)) else [services.CLOUD]


def ensure(context: Context, found: ProcessesRecord, restart: bool = False) -> ProcessesRecord:
    """Starts the cloud where it has ended or was given another key, or to `restart` it; returns when it answers.

    CommandFailed, with the cloud's own sentence, where it refuses to start.
    """
    if restart or ended(context, found) or refuses_key(context):
        context.say("starting the lab's cloud")
        replace(process_tree.Owned(str(context.state)), node=services.CLOUD).end()
        vector, environ = services.command(found), services.environment(context, found)
        found = found.with_service(services.CLOUD, launch.launch(context, found, vector, environ))
        record.save(context.state, found)
    until(lambda: missing(context, found), START_SECONDS, "Starting the lab's cloud", context.say, AGAIN)
    return found


def refuses_key(context: Context) -> bool:
    """Whether the gateway answers, and does not take the key: it was made anew since."""
    try:
        nodes.get(context.dashboard, "/lab/")
    except HTTPError as error:
        return error.code == 401
    except (OSError, ValueError):
        pass
    return False


def missing(context: Context, found: ProcessesRecord) -> str:
    """What does not answer yet; "" when all do."""
    for name in ended(context, found):
        why, fix = services.refusal(launch.log(found, name).read_text(errors="replace"))
        raise CommandFailed(f"The lab's {name} did not start: {why}", fix or AGAIN)
    own = Gateway(f"http://{LOOPBACK}:{found.doors.own}")
    up = nodes.answers(context.dashboard, "/lab/") and nodes.answers(own, "/health")
    return "" if up else "waiting for the lab's cloud"
