"""A RayCluster as its object describes it, as values.

Source: ray-project/kuberay v1.7.0, `ray-operator/apis/ray/v1/raycluster_types.go`, and for the defaults
`controllers/ray/utils/util.go` and `controllers/ray/common/pod.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from kuberay.errors import Unusable
from kuberay.pods import PodGroup, group_of
from raydock.answers import mapping, number, rows, text

QUEUE = "kueue.x-k8s.io/queue-name"  # the label with which Kueue admits a cluster
LONGEST_ACCOUNT = 50  # of the account that the operator makes for an autoscaled head


@dataclass(frozen=True, slots=True)
class Workers:
    """The pods of all worker groups, as the operator counts them: available ones run, ready ones pass their probe."""

    desired: int
    available: int
    ready: int


@dataclass(frozen=True, slots=True)
class RayCluster:
    """One RayCluster. `state` is "" until the operator has seen it; `groups` begin with the head."""

    name: str
    namespace: str
    ray: str  # spec.rayVersion, "" if it is not set
    state: str
    reason: str
    suspended: bool
    queue: str  # of Kueue, "" for none
    conditions: Mapping[str, str]  # status by type
    service: str  # of the head
    tokens: bool  # whether its dashboard asks for a token of Ray's own
    groups: tuple[PodGroup, ...]
    uid: str = ""
    created: float = 0.0  # in seconds since 1970, 0 if unknown
    deleting: bool = False
    owner: str = ""  # the object that it belongs to, such as "rayjob/NAME"
    autoscaled: bool = False
    head_since: float = 0.0  # when the current head became ready, 0 if unknown
    seen: bool = True  # whether the status is about the current spec
    labels: Mapping[str, str] = field(default_factory=dict)
    workers: Workers | None = None  # None if the status does not count them

    @property
    def settled(self) -> bool:
        """Whether it is ready with exactly the workers of its spec; the autoscaler changes those by itself."""
        wanted = sum(group.replicas for group in self.groups[1:])
        counted = self.autoscaled or self.workers in (None, Workers(wanted, wanted, wanted))
        return self.ready and self.seen and counted

    @property
    def ready(self) -> bool:
        """Whether it accepts jobs: all its pods have run, and the head runs now."""
        provisioned = self.state == "ready" or self.conditions.get("RayClusterProvisioned") == "True"
        return provisioned and self.conditions.get("HeadPodReady") != "False" and not self.suspended

    @property
    def described_state(self) -> str:
        """The state in one word."""
        if self.deleting:
            return "being deleted"
        if self.suspended:
            return "suspended"
        return "ready" if self.ready else self.state if self.state not in ("", "ready") else "not ready"

    def accounts(self) -> dict[str, tuple[str, ...]]:
        """The Kubernetes service accounts of the pods, each with its groups."""
        names = dict.fromkeys(group.service_account for group in self.groups)
        return {
            name: tuple(group.name for group in self.groups if group.service_account == name)
            for name in names
        }

    def raise_if_suspended(self, flags: str) -> None:
        """Raises Unusable if it is suspended, unless Kueue is going to resume it."""
        if self.suspended and not self.queue:
            raise Unusable(
                f"Cluster {self.name} is suspended, so it has no pods.",
                f'kubectl {flags} patch raycluster {self.name} --type merge -p \'{{"spec":{{"suspend":false}}}}\'',
            )


def cluster_of(found: Mapping[str, Any]) -> RayCluster:
    """Convert the JSON of a RayCluster."""
    about, spec, status = (mapping(found.get(key)) for key in ("metadata", "spec", "status"))
    name = text(about.get("name"))
    return RayCluster(
        name=name,
        namespace=text(about.get("namespace")),
        ray=text(spec.get("rayVersion")),
        state=text(status.get("state")),
        reason=text(status.get("reason")),
        suspended=spec.get("suspend") is True,
        queue=text(mapping(about.get("labels")).get(QUEUE)),
        conditions={text(one.get("type")): text(one.get("status")) for one in rows(status.get("conditions"))},
        service=text(mapping(status.get("head")).get("serviceName")) or head_service(name),
        tokens=text(mapping(spec.get("authOptions")).get("mode")) == "token",
        groups=tuple(groups_of(name, spec)),
        uid=text(about.get("uid")),
        created=seconds_of(text(about.get("creationTimestamp"))),
        deleting="deletionTimestamp" in about,
        owner=owner_of(about),
        autoscaled=spec.get("enableInTreeAutoscaling") is True,
        head_since=max(
            (
                seconds_of(text(one.get("lastTransitionTime")))
                for one in rows(status.get("conditions"))
                if one.get("type") == "HeadPodReady"
            ),
            default=0.0,
        ),
        seen=number(status.get("observedGeneration")) >= number(about.get("generation"))
        or "observedGeneration" not in status,
        labels=MappingProxyType({name: text(value) for name, value in mapping(about.get("labels")).items()}),
        workers=workers_of(status),
    )


def workers_of(status: Mapping[str, Any]) -> Workers | None:
    """The counts of a status. A count of 0 is left out of it."""
    if "desiredWorkerReplicas" not in status and "availableWorkerReplicas" not in status:
        return None
    desired, available = (number(status.get(f"{name}WorkerReplicas")) for name in ("desired", "available"))
    ready = number(status.get("readyWorkerReplicas", available))
    return Workers(int(desired), int(available), int(ready))


def owner_of(about: Mapping[str, Any]) -> str:
    """The object that manages this one, as kubectl names it; "" if there is none."""
    for owner in rows(about.get("ownerReferences")):
        if owner.get("controller") is True:
            return f"{text(owner.get('kind')).lower()}/{text(owner.get('name'))}"
    return ""


def seconds_of(timestamp: str) -> float:
    """Seconds since 1970 of a Kubernetes timestamp; 0 if it is not one."""
    try:
        return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def head_service(cluster: str) -> str:
    """The name of the head's service, unless the cluster's object sets another one."""
    return f"{cluster}-head-svc"


def groups_of(name: str, spec: Mapping[str, Any]) -> Iterator[PodGroup]:
    """The head, then the worker groups. With the autoscaler, the operator makes an account for a head without one."""
    autoscaled = spec.get("enableInTreeAutoscaling") is True
    head_account = shortened(name) if autoscaled else "default"
    yield group_of("head", mapping(spec.get("headGroupSpec")), 1, 1, head_account)
    for group in rows(spec.get("workerGroupSpecs")):
        hosts = int(number(group.get("numOfHosts"))) or 1
        replicas = 0 if group.get("suspend") is True else int(number(group.get("replicas"))) * hosts
        most = int(number(group.get("maxReplicas"))) * hosts if autoscaled else replicas
        least = int(number(group.get("minReplicas"))) * hosts if autoscaled else replicas
        found = group_of(text(group.get("groupName")), group, replicas, max(most, replicas), "default")
        yield replace(found, least=least)


def shortened(name: str) -> str:
    """The name of an account that the operator makes: the end of a long one, starting with a letter (CheckName)."""
    end = name[-LONGEST_ACCOUNT:]
    return end if end[0].isalpha() else f"r{end[1:]}"
