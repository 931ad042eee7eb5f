"""Why a cluster is not ready: its pods' conditions and containers, and its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kuberay.access import READ_EVENTS, READ_PODS
from kuberay.client import KubeClient, namespaced
from kuberay.cluster import RayCluster
from kuberay.errors import AccessDenied
from raydock.answers import mapping, rows, text

UNSEEN = "KubeRay's operator has not reported on it"
WAITING = frozenset({"ContainerCreating", "PodInitializing", ""})  # of a container: nothing is wrong yet


def why_not_ready(client: KubeClient, cluster: RayCluster) -> str:
    """The reasons, as one line; "" if nothing is reported."""
    if cluster.suspended and cluster.queue:
        return f"waiting for admission to Kueue's queue {cluster.queue}"
    found = [cluster.reason] if cluster.reason else []
    try:
        found += pod_reasons(client, cluster)
        found = found or event_reasons(client, cluster)
        found = found or ([] if cluster.state or cluster.conditions else [UNSEEN])
    except AccessDenied as fault:
        found.append(unreadable(fault))
    return "; ".join(dict.fromkeys(" ".join(one.split()).rstrip(".") for one in found))


def unreadable(fault: AccessDenied) -> str:
    """What to say if the caller may not read the pods or events."""
    verb = next((one for one in (READ_PODS, READ_EVENTS) if one.resource in fault.message), READ_PODS)
    return f"your account may not {verb.verb} {verb.resource}, which would show why"


def pod_reasons(client: KubeClient, cluster: RayCluster) -> list[str]:
    """One reason for each pod that does not run: unschedulable, or a container that does not start."""
    return [reason for pod in pods_of(client, cluster) for reason in reasons_of(pod)]


def pods_of(client: KubeClient, cluster: RayCluster) -> list[Mapping[str, Any]]:
    """The pods of a cluster."""
    label = f"ray.io/cluster={cluster.name}"
    return client.items(namespaced("/api/v1", client.context.namespace, "pods"), labelSelector=label)


def reasons_of(pod: Mapping[str, Any]) -> Iterator[str]:
    """Why one pod does not run."""
    name, status = text(mapping(pod.get("metadata")).get("name")), mapping(pod.get("status"))
    for condition in rows(status.get("conditions")):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"pod {name} is {text(condition.get('reason'))}: {text(condition.get('message'))}"
    containers = rows(status.get("initContainerStatuses")) + rows(status.get("containerStatuses"))
    for container in containers:
        waiting = mapping(container, "state", "waiting")
        if text(waiting.get("reason")) not in WAITING:
            yield f"pod {name}: {text(waiting.get('reason'))}: {text(waiting.get('message'))}".rstrip(": ")
    if text(status.get("phase")) == "Failed":
        yield f"pod {name} has failed: {text(status.get('reason')) or text(status.get('message'))}".rstrip(
            ": "
        )


def event_reasons(client: KubeClient, cluster: RayCluster) -> list[str]:
    """The last warning about the cluster's object, such as an exceeded quota."""
    about = f"involvedObject.kind=RayCluster,involvedObject.name={cluster.name},type=Warning"
    events = client.items(namespaced("/api/v1", cluster.namespace, "events"), fieldSelector=about)
    events.sort(key=lambda one: text(one.get("lastTimestamp")) or text(one.get("eventTime")))
    return [f"{text(one.get('reason'))}: {text(one.get('message'))}" for one in events[-1:]]
