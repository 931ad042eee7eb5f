"""What a RayJob wants next: the states that KubeRay's operator takes it through, for InteractiveMode.

"" → Initializing (its cluster starts) → Waiting (for spec.jobId, which the submitter sets) → Running → Complete or
Failed, and after ttlSecondsAfterFinished its cluster is deleted.
Source: ray-project/kuberay v1.7.0, `ray-operator/controllers/ray/rayjob_controller.go`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from cloud.kubernetes.operator.wanted import owner
from kuberay.cluster import cluster_of, head_service, seconds_of
from raydock.answers import mapping, number, text

Json = Mapping[str, Any]
INTERACTIVE = "InteractiveMode"
ENDED = ("Complete", "Failed", "ValidationFailed")
UNFINISHED = ("", "PENDING", "RUNNING")  # of Ray's job
UNSUPPORTED = "The lab runs RayJobs only in submissionMode InteractiveMode, not {mode}."


@dataclass(frozen=True, slots=True)
class Step:
    """What to do: changes of the status, the cluster to create, or the one to delete."""

    status: Json = field(default_factory=dict)
    create: Json | None = None
    delete: str = ""


def next_step(job: Json, cluster: Json | None, ray_status: str, now: float) -> Step:
    """The next step. `cluster` is the job's RayCluster, `ray_status` what Ray says of its job, "" if unknown."""
    spec, status = mapping(job.get("spec")), mapping(job.get("status"))
    state = text(status.get("jobDeploymentStatus"))
    if state in ENDED:
        return ended(spec, status, cluster, now)
    if spec.get("suspend") is True:
        return suspended(status, cluster, now)
    if state in ("", "Suspended"):
        return started(job, now)
    if late := deadline(spec, status, state, now):
        return failed(status, late, now)
    if cluster is None:
        if state == "Initializing":
            return Step(create=raycluster(job, text(status.get("rayClusterName"))))
        return failed(status, ("RayClusterDeleted", "The RayCluster was deleted."), now)
    return {"Initializing": initializing, "Waiting": waiting, "Running": running}[state](
        job, cluster, ray_status, now
    )


def started(job: Json, now: float) -> Step:
    """Name the job's cluster, or refuse the job."""
    about, spec = job["metadata"], mapping(job.get("spec"))
    mode = text(spec.get("submissionMode")) or "K8sJobMode"
    base = {"observedGeneration": int(number(about.get("generation"))), "startTime": stamp(now)}
    if mode != INTERACTIVE or not spec.get("rayClusterSpec"):
        why = UNSUPPORTED.format(mode=mode)
        if mode == INTERACTIVE:
            why = "The lab runs RayJobs only with a rayClusterSpec."
        return Step({**base, "jobDeploymentStatus": "ValidationFailed", "message": why})
    name = f"{str(about['name'])[:41]}-{hashlib.sha256(str(about['uid']).encode()).hexdigest()[:5]}"
    return Step({**base, "jobDeploymentStatus": "Initializing", "rayClusterName": name})


def raycluster(job: Json, name: str) -> dict[str, Any]:
    """The job's cluster."""
    about = job["metadata"]
    labels = {**mapping(about.get("labels")), "ray.io/originated-from-crd": "RayJob"}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {
            "name": name,
            "namespace": about["namespace"],
            "labels": labels | {"ray.io/originated-from-cr-name": about["name"]},
            "ownerReferences": [owner(about, "RayJob")],
        },
        "spec": job["spec"]["rayClusterSpec"],
    }


def initializing(job: Json, cluster: Json, ray_status: str, now: float) -> Step:
    """Wait until the cluster is ready."""
    if not cluster_of(cluster).ready:
        return Step()
    about = cluster["metadata"]
    url = f"{head_service(about['name'])}.{about['namespace']}.svc.cluster.local:8265"
    return Step({"jobDeploymentStatus": "Waiting", "dashboardURL": url})


def waiting(job: Json, cluster: Json, ray_status: str, now: float) -> Step:
    """Wait for the id of the job that the submitter has sent."""
    name = text(job["spec"].get("jobId"))
    return Step({"jobDeploymentStatus": "Running", "jobId": name}) if name else Step()


def running(job: Json, cluster: Json, ray_status: str, now: float) -> Step:
    """Follow the job until it ends."""
    found: dict[str, Any] = {"jobStatus": ray_status} if ray_status else {}
    if ray_status not in UNFINISHED:
        done = ray_status != "FAILED"  # a stopped job is complete
        found |= {"jobDeploymentStatus": "Complete" if done else "Failed", "endTime": stamp(now)}
        found |= {} if done else {"reason": "AppFailed"}
    return Step(found)


def suspended(status: Json, cluster: Json | None, now: float) -> Step:
    """Delete the cluster of a suspended job."""
    name = text(cluster["metadata"]["name"]) if cluster else ""
    return Step({"jobDeploymentStatus": "Suspended", "jobId": None, "rayClusterName": None}, delete=name)


def ended(spec: Json, status: Json, cluster: Json | None, now: float) -> Step:
    """Delete the cluster when its time is over."""
    since = now - seconds_of(text(status.get("endTime")))
    over = spec.get("shutdownAfterJobFinishes") is True and since >= number(
        spec.get("ttlSecondsAfterFinished")
    )
    return Step(delete=text(cluster["metadata"]["name"])) if cluster and over else Step()


def deadline(spec: Json, status: Json, state: str, now: float) -> tuple[str, str] | None:
    """The reason and message if one of the deadlines has passed."""
    since = now - seconds_of(text(status.get("startTime")))
    most = number(spec.get("activeDeadlineSeconds"))
    if most and since >= most:
        return "DeadlineExceeded", f"The RayJob has passed the activeDeadlineSeconds: {most:g}."
    most = number(spec.get("preRunningDeadlineSeconds"))
    if most and since >= most and state != "Running":
        return (
            "PreRunningDeadlineExceeded",
            f"The RayJob has passed the preRunningDeadlineSeconds: {most:g}.",
        )
    return None


def failed(status: Json, why: tuple[str, str], now: float) -> Step:
    """Give the job up."""
    reason, message = why
    return Step(
        {"jobDeploymentStatus": "Failed", "reason": reason, "message": message, "endTime": stamp(now)}
    )


def stamp(now: float) -> str:
    """A Kubernetes timestamp."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
