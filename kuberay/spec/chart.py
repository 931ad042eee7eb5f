"""A RayCluster as values for KubeRay's Helm chart `ray-cluster`.

Source: ray-project/kuberay, `helm-chart/ray-cluster/templates/raycluster-cluster.yaml` at v1.7.0. The chart's values
are flat: what the object has in a group's pod and container are keys of the group, all but the health checks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kuberay.errors import NotConfigured

REPOSITORY = "https://ray-project.github.io/kuberay-helm/"
OWN_GROUP = "smallGroup"  # the chart's own example of an additional group
POD = ("serviceAccountName", "volumes")  # keys of the pod that are keys of the values
CONTAINER = ("resources", "volumeMounts", "ports", "lifecycle")
TAGGED = re.compile(r"(?P<repository>.+?)(?::(?P<tag>[\w.-]+))?")


def values(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """The values. Raises NotConfigured for what the chart can't express."""
    about, spec = cluster["metadata"], cluster["spec"]
    if about.get("labels"):
        raise NotConfigured(
            "KubeRay's chart has no value for the labels of the RayCluster.",
            "leave out --label, or leave out --helm",
        )
    first, *others = spec["workerGroupSpecs"] or [None]
    head = {"rayVersion": spec["rayVersion"]}
    if spec.get("enableInTreeAutoscaling"):
        head["enableInTreeAutoscaling"] = True
    additional = {group["groupName"]: worker(group) for group in others}
    return {
        "fullnameOverride": about["name"],
        "service": {"type": spec["headGroupSpec"]["serviceType"]},
        "head": head | group_values(spec["headGroupSpec"]),
        "worker": {"groupName": first["groupName"]} | worker(first) if first else {"disabled": True},
        "additionalWorkerGroups": {OWN_GROUP: {"disabled": True}} | additional,
    }


def worker(group: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a worker group. The chart takes a number of 0 for the default, which for minReplicas is 0 too."""
    counts = ("replicas", "minReplicas", "maxReplicas", "numOfHosts")
    return {name: group[name] for name in counts} | group_values(group)


def group_values(group: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the head or of a worker group. Empty lists replace the chart's own."""
    pod = group["template"]["spec"]
    (container,) = pod["containers"]
    found = TAGGED.fullmatch(container["image"])
    if not found or "@" in container["image"]:
        raise NotConfigured(
            f"KubeRay's chart can't express the image {container['image']}: it needs a tag.",
            "name it as REPOSITORY:TAG, or leave out --helm",
        )
    image = {
        "repository": found["repository"],
        "tag": found["tag"] or "latest",
        "pullPolicy": container["imagePullPolicy"],
    }
    return {
        "rayStartParams": group["rayStartParams"],
        "image": image,
        **{name: pod[name] for name in POD if name in pod},
        **{name: container[name] for name in CONTAINER if name in container},
    }


def note(name: str, namespace: str) -> str:
    """The comment above the values: how to use them, and what they leave out."""
    where = f" --namespace {namespace} --create-namespace" if namespace else ""
    return (
        "# Values for KubeRay's chart ray-cluster:\n"
        f"#   helm repo add kuberay {REPOSITORY}\n"
        f"#   helm install {name} kuberay/ray-cluster{where} -f values.yaml\n"
        "# The chart has no values for health checks. The operator's own need wget in the image before Ray\n"
        "# 2.53; for images without it set ENABLE_PROBES_INJECTION=false in the operator's environment.\n"
    )
