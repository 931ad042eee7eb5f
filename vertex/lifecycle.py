"""Creates a cluster, waits for it, and deletes it. If the command is interrupted, Vertex AI continues the operation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from raydock.errors import CommandFailed, Interrupted, NotReady, NotUp, Unreachable
from raydock.units import span
from raydock.waiting import Say, Waiter, WaitTimeout, still
from vertex.client import VertexClient
from vertex.cluster import Cluster
from vertex.errors import ClusterNotFound, Exists, sentence
from vertex.location import Location

VISIBLE_WITHIN = 30.0  # how many seconds it may take until a new cluster becomes visible


def command_line(verb: str, location: Location, cluster: str = "", more: str = "") -> str:
    """The command line that runs `verb` on the same cluster."""
    named = f" --cluster {cluster}" if cluster else ""
    return f"python -m cluster {verb} --target vertex {location.flags.strip()}{named}{f' {more}' if more else ''}"


def wait_or_delete(location: Location, cluster: str) -> str:
    """The commands to keep waiting for a cluster and to delete it, one per line."""
    up, down = (command_line(verb, location, cluster) for verb in ("up", "down"))
    return f"Keep waiting: {up}\n  Delete it:    {down}"


@dataclass(slots=True)
class ClusterWaiter:
    """Polls one cluster until a condition is met, and reports its state."""

    client: VertexClient
    cluster: str
    seconds: float  # timeout
    say: Say
    appeared: bool = False
    polling: Waiter = field(init=False)

    def __post_init__(self) -> None:
        self.polling = Waiter(self.seconds, self.report, answered=True)

    def wait_until(self, condition: Callable[[Cluster | None], bool]) -> Cluster | None:
        """Poll until `condition` is true. Return the cluster, or None if it is gone. Raises NotReady on timeout."""
        try:
            while True:
                try:
                    found = self.poll()
                except Unreachable as fault:
                    pause = self.polling.record_unanswered(fault)
                else:
                    if condition(found):
                        return found
                    pause = self.polling.record_state(found.state if found else "not visible yet")
                time.sleep(pause)
        except WaitTimeout as late:
            raise self.timeout_error(late) from None

    def poll(self) -> Cluster | None:
        """The cluster's current state, or None if it does not exist."""
        try:
            found = self.client.get(self.cluster)
        except ClusterNotFound:
            return None
        self.appeared = True
        return found

    def report(self, state: str, elapsed: float) -> None:
        """Report the state and the elapsed seconds."""
        self.say(f"{self.cluster}: {state}, {span(elapsed)}")

    def timeout_error(self, late: WaitTimeout) -> NotReady:
        """The error for a timeout. Its fix is the commands to keep waiting and to delete the cluster."""
        location = self.client.location
        return NotReady(
            f"{still(self.cluster, late.state, self.seconds)}. Vertex AI continues in the background.",
            wait_or_delete(location, self.cluster),
        )


def create(client: VertexClient, cluster: str, resource: Any) -> bool:
    """Request the cluster that an SDK PersistentResource describes. False if it exists, as after a lost response.

    Raises NotUp if there was no response.
    """
    try:
        client.create(cluster, resource)
    except Exists:
        return False
    except Unreachable as fault:
        raise NotUp(
            f"{fault.message.rstrip('.')}. The cluster may have been created anyway.",
            f"Check: {command_line('status', client.location, cluster)}",
        ) from None
    return True


def wait_until_running(waiter: ClusterWaiter) -> Cluster:
    """Wait until the cluster is running.

    Raises CommandFailed if creation fails, NotUp if it was deleted, NotReady on timeout, and Interrupted on Ctrl-C.
    """
    location, name = waiter.client.location, waiter.cluster

    def settled(found: Cluster | None) -> bool:
        if found is None:
            return waiter.appeared or waiter.polling.elapsed > VISIBLE_WITHIN
        return found.state in ("RUNNING", "ERROR", "STOPPING")

    try:
        found = waiter.wait_until(settled)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted. Vertex AI is still creating {name}; billing starts once it is running.",
            wait_or_delete(location, name),
        ) from None
    if found is None:
        raise NotUp(
            f"{name} was deleted while it was being created.",
            f"List the clusters: {command_line('status', location)}",
        )
    raise_if_failed(found, location)
    waiter.report(found.state, waiter.polling.elapsed)
    return found


def raise_if_failed(found: Cluster, location: Location) -> None:
    """Raise CommandFailed if the cluster is in state ERROR, and NotUp if it is being deleted or does not run Ray."""
    if not found.has_ray:
        raise NotUp(
            f"{found.id} is a persistent resource, but not a Ray cluster.",
            f"Choose another name: {command_line('up', location, 'OTHER')}",
        )
    if found.state == "ERROR":
        why = f": {found.error}" if found.error else ", without giving a reason"
        raise CommandFailed(
            sentence(f"Vertex AI could not create {found.id}{why}"),
            f"Delete it, then try again: {command_line('down', location, found.id)}",
        )
    if found.state == "STOPPING":
        raise NotUp(
            f"{found.id} is being deleted. Its name can't be reused until it is gone.",
            f"Wait until it is gone: {command_line('down', location, found.id)}",
        )


def delete(waiter: ClusterWaiter) -> None:
    """Request the cluster's deletion, unless that is already in progress, and wait until the cluster is gone.

    Raises NotReady on timeout, and Interrupted on Ctrl-C.
    """
    client, name = waiter.client, waiter.cluster
    if client.get(name).state != "STOPPING":
        client.delete(name)
    try:
        waiter.wait_until(lambda found: found is None)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted. Vertex AI is still deleting {name}.",
            f"Check whether it is gone: {command_line('status', client.location, name)}",
        ) from None
    except NotReady:
        raise NotReady(
            f"{still(name, waiter.polling.last_state, waiter.seconds)}. Vertex AI is still deleting it.",
            f"Check whether it is gone: {command_line('status', client.location, name)}",
        ) from None
