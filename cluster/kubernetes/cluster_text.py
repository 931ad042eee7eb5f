"""Formats RayClusters: all of a namespace, or one in detail."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from cluster.targets.columns import fields, grid
from kuberay.cluster import RayCluster
from kuberay.kubeconfig import KubeContext
from kuberay.pods import PodGroup
from kuberay.waiting import command_line
from raydock.gcp.clouds import JobIdentity
from raydock.terminal.layout import clip
from raydock.units import span

JOB = "jobs/sklearn_joblib.py"


def clusters(found: Sequence[RayCluster], why: Mapping[str, str], now: float | None = None) -> str:
    """A table of clusters, and below it why some are not ready. `now` is in seconds since 1970."""
    lines = [("NAME", "STATE", "RAY", "PODS", "JOBS RUN AS", "AGE")]
    for one in found:
        lines.append(
            (
                one.name,
                one.described_state,
                one.ray or "?",
                str(sum(group.replicas for group in one.groups)),
                clip(", ".join(one.accounts()), 24),
                age(one, now),
            )
        )
    notes = [fields([(name, reason)]) for name, reason in why.items() if reason]
    return "\n".join([grid(lines), *([""] if notes else []), *notes])


def age(found: RayCluster, now: float | None = None) -> str:
    """How long ago a cluster was created."""
    return span((time.time() if now is None else now) - found.created) if found.created else "?"


def cluster(found: RayCluster, why: str = "", now: float | None = None) -> str:
    """One cluster in detail. `why` is the reason if it is not ready; `now` is in seconds since 1970."""
    pairs = [
        ("cluster", found.name),
        ("namespace", found.namespace),
        ("state", f"{found.described_state}{f': {why}' if why else ''}"),
        ("age", age(found, now)),
        ("Ray", found.ray or "unknown"),
        ("jobs run as", accounts(found)),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(found.labels.items())) or "none"),
        *([("belongs to", found.owner)] if found.owner else []),
    ]
    return "\n".join([fields(pairs), "", groups(found)])


def groups(found: RayCluster) -> str:
    """A table of the head and the worker groups."""
    head = ("GROUP", "PODS", "CPUS", "MEMORY", "GPUS", "IMAGE")
    rows = [
        (one.name, pods(one), amount(one, "CPU"), memory(one), gpus(one), one.image) for one in found.groups
    ]
    return grid([head, *rows])


def accounts(found: RayCluster) -> str:
    """The Kubernetes service accounts of the pods, each with its groups."""
    each = [f"{name} ({', '.join(groups)})" for name, groups in found.accounts().items()]
    return f"Kubernetes service account{'s' if len(each) > 1 else ''} {', '.join(each)}"


def pods(group: PodGroup) -> str:
    """The number of pods, with the bounds if the group autoscales."""
    scales = group.least != group.most
    return (
        f"{group.replicas} ({group.least}-{group.most})"
        if scales and group.name != "head"
        else str(group.replicas)
    )


def amount(group: PodGroup, name: str) -> str:
    """What one pod offers of a resource."""
    found = group.resources.get(name)
    return "-" if found is None else f"{found:g}"


def gpus(group: PodGroup) -> str:
    """The GPUs of one pod, marked if they are simulated."""
    return amount(group, "GPU") + (" simulated" if group.simulated else "")


def memory(group: PodGroup) -> str:
    """The memory of one pod."""
    found = group.resources.get("memory")
    return "-" if found is None else f"{found / 2**30:.3g} GiB"


def next_steps(context: KubeContext, found: RayCluster) -> str:
    """The commands that submit a job to the cluster and delete the cluster."""
    flags = f"--target kuberay {context.own_flags} --cluster {found.name}"
    return f"Next:    python submit.py {flags} {JOB}\nDelete:  {command_line('down', context, found.name)}"


def principals(found: Sequence[JobIdentity]) -> str:
    """Who jobs run as, in one line; the Kubernetes service accounts without a Google account as such."""
    return ", ".join(dict.fromkeys(one.principal or f"unknown ({one.workload})" for one in found))


def as_json(context: KubeContext, found: Sequence[RayCluster], why: Mapping[str, str]) -> dict[str, Any]:
    """The value that `status --json` prints. Times are in seconds since 1970, memory in bytes."""
    each = [
        {
            "id": one.name,
            "state": one.described_state,
            "ready": one.ready,
            "why": why.get(one.name, ""),
            "ray": one.ray,
            "created": one.created,
            "owner": one.owner,
            "queue": one.queue,
            "labels": dict(one.labels),
            "groups": [asdict(group) for group in one.groups],
        }
        for one in found
    ]
    return {
        "version": 1,
        "kind": "kuberay",
        "context": context.name,
        "namespace": context.namespace,
        "clusters": each,
    }
