"""A cluster for one job: a RayJob in InteractiveMode, whose cluster KubeRay creates and deletes while we run the job.

KubeRay deletes the cluster even if nothing of ours runs any more: `ttlSecondsAfterFinished` after the job's end,
`preRunningDeadlineSeconds` if no job is ever sent, and `activeDeadlineSeconds` in any case.
Source: ray-project/kuberay v1.7.0, `ray-operator/controllers/ray/rayjob_controller.go`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from kuberay import access, lookup
from kuberay.access import Access
from kuberay.client import RAY, KubeClient, namespaced
from kuberay.cluster import QUEUE
from kuberay.errors import ClusterNotFound, RequestRejected, Unusable
from raydock.answers import mapping, text

GROUP, KIND = "ray.io", "rayjobs"
ATTACHABLE = 600  # seconds that the cluster stays after the job's end, to attach again
TO_SEND = 600  # seconds for the checks and the package, once the cluster is ready
LONGEST = 86_400.0  # seconds that a job without a deadline may take
GUARDS = ("ttlSecondsAfterFinished", "preRunningDeadlineSeconds", "activeDeadlineSeconds")


@dataclass(frozen=True, slots=True)
class RayJob:
    """The status of a RayJob. `cluster` is "" until KubeRay has named it."""

    cluster: str
    state: str
    message: str
    suspended: bool
    queue: str

    @property
    def failed(self) -> bool:
        """Whether KubeRay has given up."""
        return self.state in ("Failed", "ValidationFailed")


def name_for(script: str) -> str:
    """A new name, after the script. KubeRay allows RayJobs 47 characters."""
    stem = re.sub(r"[^a-z0-9]+", "-", PurePath(script).stem.lower()).strip("-")
    return f"job-{stem[:30].strip('-')}-{secrets.token_hex(3)}"


def rayjob(name: str, cluster: Mapping[str, Any], wait: float, deadline: float | None) -> dict[str, Any]:
    """The object, for a RayCluster's manifest. `wait` is how long its pods may take, in seconds."""
    about: dict[str, Any] = {"name": name}
    if labels := mapping(cluster.get("metadata")).get("labels"):
        about["labels"] = dict(labels)
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": about,
        "spec": {
            "submissionMode": "InteractiveMode",
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": ATTACHABLE,
            "preRunningDeadlineSeconds": int(wait) + TO_SEND,
            "activeDeadlineSeconds": int(wait + (deadline or LONGEST)) + TO_SEND,
            "rayClusterSpec": cluster["spec"],
        },
    }


def require(client: KubeClient) -> None:
    """Check that the caller may do everything, before anything is created. Raises AccessDenied."""
    jobs = [Access(verb, KIND, GROUP) for verb in ("get", "create", "patch", "delete")]
    proxied = [Access(verb, "services/proxy") for verb in access.VERBS.values()]
    access.require(client, [*jobs, Access("get", "rayclusters", GROUP), *proxied])


def path_of(client: KubeClient, name: str) -> str:
    """The path of a RayJob."""
    return namespaced(RAY, client.context.namespace, KIND, name)


def check(client: KubeClient, job: Mapping[str, Any]) -> None:
    """Let the server check the RayJob without creating it: it has to know all guards.

    Raises Unusable if this KubeRay lacks one, and ClusterNotFound if it or the namespace is missing.
    """
    path = path_of(client, job["metadata"]["name"])
    try:
        answer = client.apply(path, job, dry_run=True)
    except ClusterNotFound as fault:
        raise lookup.unsupported(client, fault) or fault from None
    except RequestRejected as fault:
        if not any(guard in fault.message for guard in GUARDS):
            raise
        answer = {}
    if any(guard not in mapping(answer.get("spec")) for guard in GUARDS):
        raise Unusable(
            "The KubeRay of this cluster is too old for clusters that it deletes by itself: it needs 1.7 or later.",
            "use a permanent cluster: leave out --ephemeral, and add --cluster NAME",
        )


def create(client: KubeClient, job: Mapping[str, Any]) -> None:
    """Create the RayJob."""
    client.apply(path_of(client, job["metadata"]["name"]), job)


def read(client: KubeClient, name: str) -> RayJob:
    """The RayJob's current status. Raises ClusterNotFound."""
    found = client.get(path_of(client, name))
    status, spec = mapping(found.get("status")), mapping(found.get("spec"))
    return RayJob(
        cluster=text(status.get("rayClusterName")),
        state=text(status.get("jobDeploymentStatus")),
        message=text(status.get("message")) or text(status.get("reason")),
        suspended=spec.get("suspend") is True,
        queue=text(mapping(found, "metadata", "labels").get(QUEUE)),
    )


def has_cluster(client: KubeClient, job: RayJob) -> bool:
    """Whether the RayJob's cluster exists: KubeRay names it before it creates it."""
    if not job.cluster or job.suspended:
        return False
    try:
        client.get(namespaced(RAY, client.context.namespace, "rayclusters", job.cluster))
    except ClusterNotFound:
        return False
    return True


def why_no_cluster(job: RayJob) -> str:
    """Why a RayJob has no cluster yet."""
    if job.suspended:
        return f"waiting for admission to Kueue's queue {job.queue}" if job.queue else "suspended"
    return job.state.lower() or "not seen by KubeRay's operator"


def raise_if_failed(client: KubeClient, name: str, job: RayJob) -> None:
    """Raises Unusable with KubeRay's reason if it has given up."""
    if job.failed:
        why = f": {job.message.rstrip('.')}" if job.message else ", without giving a reason"
        raise Unusable(
            f"KubeRay could not start a cluster for RayJob {name}{why}.",
            f"kubectl {client.context.flags} describe rayjob {name}",
        )


def adopt(client: KubeClient, name: str, submission_id: str) -> None:
    """Tell KubeRay which job to wait for. Only after it was sent: before, KubeRay would miss it."""
    client.patch(path_of(client, name), [{"op": "add", "path": "/spec/jobId", "value": submission_id}])


def delete(client: KubeClient, name: str) -> None:
    """Delete the RayJob and its cluster, which KubeRay may already have done."""
    try:
        client.delete(path_of(client, name))
    except ClusterNotFound:
        return
