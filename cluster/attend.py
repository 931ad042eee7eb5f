"""Starts the services of a cluster of processes, again where one has ended, and waits for them."""

from __future__ import annotations

from dataclasses import replace
from urllib.error import HTTPError

from cluster import nodes, owned, record, services, spawn
from cluster.deadline import until
from cluster.errors import CommandFailed
from cluster.identity import LOOPBACK
from cluster.kinds import Context
from cluster.nodes import Dashboard
from cluster.record import Record

START_SECONDS = 60.0
AGAIN = "Try again: make cluster-up"


def ended(context: Context, found: Record) -> list[str]:
    """The names of the services that do not run."""
    ours = owned.Owned(str(context.state))
    return [
        name
        for name in services.expected(found)
        if not replace(ours, node=name).has(found.services.get(name, 0))
    ]


def ensure(context: Context, found: Record) -> Record:
    """Starts what has ended, and a cloud that was given another key; returns when they answer.

    CommandFailed, with the cloud's own sentence, where one refuses to start.
    """
    lost = ended(context, found) or ([services.CLOUD] if refuses_key(context) else [])
    if lost:
        context.say(f"starting the lab's {' and '.join(lost)}")
    for name in lost:
        replace(owned.Owned(str(context.state)), node=name).end()
        vector, environ = services.command(name, found), services.environment(name, context, found)
        found = found.with_service(name, spawn.launch(context, found, vector, environ))
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


def missing(context: Context, found: Record) -> str:
    """What does not answer yet; "" when all do."""
    for name in ended(context, found):
        why, mend = services.refusal(spawn.log(found, name).read_text(errors="replace"))
        raise CommandFailed(f"The lab's {name} did not start: {why}", mend or AGAIN)
    if not nodes.answers(context.dashboard, "/lab/"):
        return "waiting for the lab's cloud"
    own = Dashboard(f"http://{LOOPBACK}:{found.doors.own}")
    return "" if nodes.answers(own, "/health") else "waiting for the lab's storage"
