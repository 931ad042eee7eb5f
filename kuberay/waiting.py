"""Waiting for a cluster, with the reason why it is not ready yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kuberay import lookup
from kuberay.client import RAY, KubeClient, namespaced
from kuberay.cluster import RayCluster
from kuberay.errors import AccessDenied, ClusterNotFound
from kuberay.kubeconfig import KubeContext
from kuberay.reasons import pods_of, why_not_ready
from raydock.errors import Interrupted, NotReady, NotUp, Unreachable
from raydock.units import counted, span
from raydock.waiting import Say, Waiter, WaitTimeout, still

PULLING = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def command_line(verb: str, context: KubeContext, cluster: str = "", more: str = "") -> str:
    """The command line that runs `verb` on the same cluster."""
    named = f" --cluster {cluster}" if cluster else ""
    return f"python -m cluster {verb} --target kuberay {context.own_flags}{named}{f' {more}' if more else ''}"


@dataclass(slots=True)
class ClusterWaiter:
    """Polls one cluster until a condition is met, and reports its state."""

    client: KubeClient
    cluster: str
    seconds: float  # timeout
    say: Say
    polling: Waiter = field(init=False)

    def __post_init__(self) -> None:
        self.polling = Waiter(self.seconds, self.report, answered=True)

    def report(self, state: str, elapsed: float) -> None:
        """Report the state and the elapsed seconds."""
        self.say(f"{self.cluster}: {state}, {span(elapsed)}")

    def until(self, poll: Callable[[], str]) -> None:
        """Poll until `poll` returns "", which is the state otherwise. Raises WaitTimeout."""
        while True:
            try:
                state = poll()
                if not state:
                    return
                pause = self.polling.record_state(state)
            except Unreachable as fault:
                pause = self.polling.record_unanswered(fault)
            time.sleep(pause)


def wait_until_settled(waiter: ClusterWaiter) -> RayCluster:
    """Wait until the cluster is ready with all its workers.

    Raises NotUp if it was deleted, Unusable if it is suspended, NotReady on timeout, and Interrupted on Ctrl-C.
    """
    client, name, found = waiter.client, waiter.cluster, list[RayCluster]()

    def poll() -> str:
        cluster = lookup.read(client, name)
        cluster.raise_if_suspended(client.context.flags)
        found.append(cluster)
        return "" if cluster.settled else unsettled(client, cluster)

    keep_waiting = wait_or_delete(client.context, name)
    try:
        waiter.until(poll)
    except ClusterNotFound:
        raise NotUp(
            f"{name} was deleted while it was starting.",
            f"List the clusters: {command_line('status', client.context)}",
        ) from None
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. KubeRay is still starting {name}.", keep_waiting) from None
    except WaitTimeout as late:
        images = "Make the images available to the nodes: docs/kuberay.md\n"
        fix = (images if any(one in late.state for one in PULLING) else "") + keep_waiting
        raise NotReady(
            f"{still(name, late.state, waiter.seconds)}. KubeRay continues in the background.", fix
        ) from None
    waiter.report(found[-1].described_state, waiter.polling.elapsed)
    return found[-1]


def unsettled(client: KubeClient, cluster: RayCluster) -> str:
    """The state of a cluster that is not settled, with the reason if there is one."""
    why = why_not_ready(client, cluster)
    state = cluster.described_state
    if state == "ready":
        state = "changing"
    return f"{state} ({why})" if why else state


def wait_or_delete(context: KubeContext, cluster: str) -> str:
    """The commands to keep waiting for a cluster and to delete it, one per line."""
    up, down = (command_line(verb, context, cluster) for verb in ("up", "down"))
    return f"Keep waiting: {up}\nDelete it:    {down}"


def delete(waiter: ClusterWaiter, cluster: RayCluster) -> None:
    """Delete the cluster and wait until it and its pods are gone. Raises NotReady, and Interrupted on Ctrl-C."""
    client, name = waiter.client, waiter.cluster
    path = namespaced(RAY, client.context.namespace, "rayclusters", name)
    check = f"Check whether it is gone: {command_line('status', client.context)}"
    if not cluster.deleting:
        client.delete(path, cluster.uid)

    def poll() -> str:
        try:
            # A cluster of the same name that was created since is another one, with pods of its own.
            return "being deleted" if lookup.read(client, name).uid == cluster.uid else ""
        except ClusterNotFound:
            pass
        return pods_left(client, cluster, waiter.say)

    try:
        waiter.until(poll)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. Kubernetes is still deleting {name}.", check) from None
    except WaitTimeout as late:
        raise NotReady(
            f"{still(name, late.state, waiter.seconds)}. Kubernetes is still deleting it.", check
        ) from None


def pods_left(client: KubeClient, cluster: RayCluster, say: Say) -> str:
    """How many pods of a deleted cluster are left; "" for none, and if the caller may not list them."""
    try:
        left = pods_of(client, cluster)
    except AccessDenied:
        say("your account may not list pods, so it is unknown whether they have ended")
        return ""
    return f"waiting for {counted(len(left), 'pod')} to end" if left else ""
