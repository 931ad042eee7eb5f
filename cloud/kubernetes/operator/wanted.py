"""The pods that a RayCluster wants, as objects.

Labels and names as in ray-project/kuberay v1.7.0, `ray-operator/controllers/ray/common/pod.go`. Instead of a shell
with `ray start`, a container runs its image's own entrypoint with the same arguments: docker/node.py.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kuberay.cluster import head_service
from kuberay.pods import resources_of
from raydock.answers import mapping, number, rows, text

Json = Mapping[str, Any]
HEAD_GROUP = "headgroup"
CLUSTER, GROUP, TYPE = "ray.io/cluster", "ray.io/group", "ray.io/node-type"
OPERATOR = "app.kubernetes.io/created-by"
PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001}  # of the head
NODE = "lab"  # where all pods run; a pod with a node is deleted once its container has ended
LONGEST = 50  # characters of a pod's name


@dataclass(frozen=True, slots=True)
class PodPlan:
    """A pod that a RayCluster wants. `params` are the arguments of `ray start`."""

    name: str
    cluster: Json  # the RayCluster's metadata
    group: str
    params: Mapping[str, str]
    template: Json

    @property
    def is_head(self) -> bool:
        """Whether it is the head's pod."""
        return self.group == HEAD_GROUP

    def body(self) -> dict[str, Any]:
        """The object to create."""
        about = mapping(self.template.get("metadata"))
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "namespace": self.cluster["namespace"],
                "labels": {**mapping(about.get("labels")), **self.labels()},
                "annotations": dict(mapping(about.get("annotations"))),
                "ownerReferences": [owner(self.cluster, "RayCluster")],
            },
            "spec": self.spec(),
        }

    def labels(self) -> dict[str, str]:
        """The operator's labels."""
        return {
            CLUSTER: str(self.cluster["name"]),
            GROUP: self.group,
            TYPE: "head" if self.is_head else "worker",
            "ray.io/is-ray-node": "yes",
            OPERATOR: "kuberay-operator",
            "app.kubernetes.io/name": "kuberay",
        }

    def spec(self) -> dict[str, Any]:
        """The pod's spec: the template's, with the arguments and variables of its first container."""
        spec = dict(mapping(self.template.get("spec")))
        containers = [dict(one) for one in rows(spec.get("containers"))]
        if containers:
            containers[0]["args"] = [self.role(), *self.arguments(containers[0])]
            containers[0]["env"] = [*rows(containers[0].get("env")), *self.variables()]
        return {"restartPolicy": "Always", **spec, "nodeName": NODE, "containers": containers}

    def role(self) -> str:
        """The role in docker/node.py."""
        if self.is_head:
            return "head"
        return "gpu-worker" if number_of(self.params.get("num-gpus")) else "cpu-worker"

    def arguments(self, container: Json) -> list[str]:
        """The arguments of `ray start`. The operator puts them into a shell's command line, so they are unquoted."""
        named = dict(self.params)
        offered = resources_of(mapping(container.get("resources")), self.params)
        for param, resource in (("num-cpus", "CPU"), ("num-gpus", "GPU")):
            if resource in offered:
                named[param] = str(math.ceil(offered[resource]))
        return shlex.split(" ".join(f"--{key}={value}" for key, value in named.items()))

    def variables(self) -> list[dict[str, str]]:
        """The variables that the operator, or docker/node.py, needs."""
        cluster = str(self.cluster["name"])
        found = {"RAY_CLUSTER_NAME": cluster, "RAYDOCK_HEAD": f"{head_service(cluster)}:6379"}
        return [{"name": name, "value": value} for name, value in found.items()]


def pods_of(cluster: Json) -> list[PodPlan]:
    """The pods that a RayCluster wants, the head's first; none if it is suspended or being deleted."""
    spec, about = mapping(cluster.get("spec")), mapping(cluster.get("metadata"))
    if spec.get("suspend") is True or "deletionTimestamp" in about:
        return []
    head = mapping(spec.get("headGroupSpec"))
    return [
        PodPlan(f"{shortened(about, '')}-head", about, HEAD_GROUP, params_of(head), mapping(head.get("template"))),
        *(plan for group in rows(spec.get("workerGroupSpecs")) for plan in workers_of(about, group)),
    ]  # fmt: skip


def workers_of(about: Json, group: Json) -> Iterator[PodPlan]:
    """The pods of one worker group."""
    name = text(group.get("groupName"))
    for index in range(replicas_of(group)):
        pod = f"{shortened(about, name)}-{name}-worker-{index}"
        yield PodPlan(pod, about, name, params_of(group), mapping(group.get("template")))


def replicas_of(group: Json) -> int:
    """The number of pods of a worker group, within its bounds."""
    if group.get("suspend") is True:
        return 0
    least, most = number(group.get("minReplicas")), number(group.get("maxReplicas", math.inf))
    count = min(max(number(group.get("replicas")), least), most or math.inf)
    return int(count) * max(int(number(group.get("numOfHosts"))), 1)


def params_of(group: Json) -> dict[str, str]:
    """The rayStartParams of a group."""
    return {key: str(value) for key, value in mapping(group.get("rayStartParams")).items()}


def shortened(about: Json, group: str) -> str:
    """A cluster's name, shortened so that its pods' names are valid."""
    return str(about["name"])[: max(LONGEST - len(group), 8)].rstrip("-")


def number_of(value: object) -> float:
    """A parameter as a number; 0 if it is not one."""
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def owner(about: Json, kind: str) -> dict[str, Any]:
    """A reference to the object that controls another one."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": kind,
        "name": about["name"],
        "uid": about["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def head_objects(
    about: Json, heads: Sequence[Json], ports_of: Callable[[Json], Mapping[str, int]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The head's service, and its endpoints.

    The API server's proxy goes only to an address that a pod of the same namespace has, so endpoints name the pod.
    """
    meta = {
        "name": head_service(str(about["name"])),
        "namespace": about["namespace"],
        "labels": {CLUSTER: about["name"], TYPE: "head", OPERATOR: "kuberay-operator"},
        "ownerReferences": [owner(about, "RayCluster")],
    }
    ports = next(map(ports_of, heads), PORTS)
    named = [{"name": name, "port": port} for name, port in ports.items()]
    addresses = [
        {
            "ip": pod["status"]["podIP"],
            "targetRef": {"kind": "Pod", "namespace": about["namespace"], "name": pod["metadata"]["name"]},
        }
        for pod in heads
        if mapping(pod.get("status")).get("podIP")
    ]
    subsets = [{"addresses": addresses, "ports": named}] if addresses else []
    service = {"metadata": meta, "spec": {"clusterIP": "None", "ports": named}}
    return service, {"metadata": meta, "subsets": subsets}
