"""Create, wait for and delete a cluster. Vertex AI continues an operation even if the command is interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from raydock.errors import CommandFailed, Interrupted, NotReady, NotUp, Unreachable
from raydock.units import span
from raydock.waiting import Say
from vertex.client import VertexClient
from vertex.cluster import Cluster
from vertex.errors import ClusterNotFound, Exists, sentence
from vertex.location import Location
from vertex.wait import TimeUp, Waiter

APPEARS = 30.0  # seconds during which a new cluster may not be visible yet


def again(verb: str, location: Location, cluster: str = "", more: str = "") -> str:
    """The command line that applies a verb to the same cluster."""
    named = f" --cluster {cluster}" if cluster else ""
    return f"python -m cluster {verb} --target vertex {location.flags.strip()}{named}{f' {more}' if more else ''}"


@dataclass(slots=True)
class ClusterWaiter:
    """Polls one cluster until a condition is met, and reports its state."""

    api: VertexClient
    cluster: str
    seconds: float  # timeout
    say: Say
    appeared: bool = False
    waiter: Waiter = field(init=False)

    def __post_init__(self) -> None:
        self.waiter = Waiter(self.seconds, self.tell, answered=True)

    def until(self, so: Callable[[Cluster | None], bool]) -> Cluster | None:
        """Poll until `so` is true and return the cluster, or None if it does not exist. Raises NotReady on timeout."""
        try:
            while True:
                try:
                    found = self.look()
                except Unreachable as fault:
                    pause = self.waiter.unanswered(fault)
                else:
                    if so(found):
                        return found
                    pause = self.waiter.saw(found.state if found else "not there yet")
                time.sleep(pause)
        except TimeUp as late:
            raise self.late(late) from None

    def look(self) -> Cluster | None:
        """The cluster's current state; None if it does not exist."""
        try:
            found = self.api.get(self.cluster)
        except ClusterNotFound:
            return None
        self.appeared = True
        return found

    def tell(self, state: str, passed: float) -> None:
        """Report the state and the elapsed seconds."""
        self.say(f"{self.cluster}: {state}, {span(passed)}")

    def late(self, late: TimeUp) -> NotReady:
        """The error for a timeout, with the commands to resume waiting or to delete the cluster."""
        location = self.api.location
        return NotReady(
            f"{self.cluster} is still {late.state or 'unanswered'} after {span(self.seconds)}; Vertex AI goes on.",
            f"Go on waiting: {again('up', location, self.cluster)}\n"
            f"  Delete it:     {again('down', location, self.cluster)}",
        )


def create(api: VertexClient, cluster: str, resource: Any) -> bool:
    """Request a cluster from an SDK PersistentResource. False if it already exists, as after a lost response.

    Raises NotUp if there was no response.
    """
    try:
        api.create(cluster, resource)
    except Exists:
        return False
    except Unreachable as fault:
        raise NotUp(
            f"{fault.message.rstrip('.')}; whether the cluster is being made is not known.",
            f"Look: {again('status', api.location, cluster)}",
        ) from None
    return True


def come(watch: ClusterWaiter) -> Cluster:
    """Wait until the cluster is running.

    Raises CommandFailed if creation fails, NotUp if it was deleted, NotReady on timeout and Interrupted for Ctrl-C.
    """
    location, name = watch.api.location, watch.cluster

    def settled(found: Cluster | None) -> bool:
        if found is None:
            return watch.appeared or watch.waiter.passed > APPEARS
        return found.state in ("RUNNING", "ERROR", "STOPPING")

    try:
        found = watch.until(settled)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted. Vertex AI goes on making {name}, and it costs as soon as it runs.",
            f"Go on waiting: {again('up', location, name)}\n  Delete it:     {again('down', location, name)}",
        ) from None
    if found is None:
        raise NotUp(f"{name} is gone: somebody deleted it.", f"See: {again('status', location)}")
    refuse_dead(found, location)
    watch.tell(found.state, watch.waiter.passed)
    return found


def refuse_dead(found: Cluster, location: Location) -> None:
    """Raises CommandFailed for a cluster in the state ERROR, and NotUp for one being deleted or without Ray."""
    if not found.has_ray:
        raise NotUp(
            f"{found.id} is a persistent resource without Ray.",
            f"Choose another name: {again('up', location, 'OTHER')}",
        )
    if found.state == "ERROR":
        why = f": {found.error}" if found.error else ", and says no reason"
        raise CommandFailed(
            sentence(f"Vertex AI could not make {found.id}{why}"),
            f"Delete it, then try again: {again('down', location, found.id)}",
        )
    if found.state == "STOPPING":
        raise NotUp(
            f"{found.id} is being deleted, and its name is taken until it is gone.",
            f"Wait until it is: {again('down', location, found.id)}",
        )


def delete(watch: ClusterWaiter) -> None:
    """Request the cluster's deletion, unless it is already in progress, and wait until the cluster is gone.

    Raises NotReady on timeout, and Interrupted for Ctrl-C.
    """
    api, name = watch.api, watch.cluster
    if api.get(name).state != "STOPPING":
        api.delete(name)
    try:
        watch.until(lambda found: found is None)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted. Vertex AI goes on deleting {name}.",
            f"See whether it is gone: {again('status', api.location, name)}",
        ) from None
    except NotReady:
        raise NotReady(
            f"{name} is still {watch.waiter.seen or 'unanswered'} after {span(watch.seconds)}; "
            "Vertex AI goes on deleting it.",
            f"See whether it is gone: {again('status', api.location, name)}",
        ) from None
