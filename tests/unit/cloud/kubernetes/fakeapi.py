"""An API server in memory, and a runner of pods that runs nothing."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cloud.kubernetes.api import CORE, RAY, Api, Rejected
from cloud.kubernetes.pods.runner import CannotStart, RunningPod
from cloud.kubernetes.pods.spec import container_of
from kuberay.manifest import ManifestOptions, raycluster
from raydock import topology
from raydock.settings import ROOT

NOW = 1_800_000_000.0
SPACE = "default"


class FakeApi(Api):
    """Objects by path. It knows lists, labels, POST, merge patches, status, DELETE and `finalize`."""

    def __init__(self) -> None:
        super().__init__(session=None, server="")  # type: ignore[arg-type]
        object.__setattr__(self, "held", dict[str, dict[str, Any]]())
        object.__setattr__(self, "numbers", itertools.count(1))
        object.__setattr__(self, "proxied", dict[str, Any]())
        for name in ("default", "kube-system"):
            self.put(f"/api/v1/namespaces/{name}", {"metadata": {"name": name}})

    held: dict[str, dict[str, Any]]
    proxied: dict[str, Any]  # answers of what is behind services

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        """Store an object at its path."""
        parts = path.split("/")
        about = {"uid": f"uid-{next(self.numbers)}", "generation": 1, **body["metadata"]}
        if "namespaces" in parts and parts[-2] != "namespaces":
            about["namespace"] = parts[parts.index("namespaces") + 1]
        self.held[path] = {**body, "metadata": about}

    numbers: Any

    async def call(self, verb: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        path, _, query = path.partition("?")
        if "/proxy/" in path:
            return self.proxied.get(path.partition("/proxy")[2], {})
        if verb == "POST":
            name = f"{path}/{body['metadata']['name']}"
            if name in self.held:
                raise Rejected(409, "already exists")
            self.put(name, body)
            return self.held[name]
        if verb == "DELETE" and path not in self.held:
            for name in [one for one in self.held if one.startswith(f"{path}/")]:
                del self.held[name]
            return {}
        if verb == "GET" and path not in self.held:
            return {"items": self.found(path, query)}
        base = path.removesuffix("/status").removesuffix("/finalize")
        if base not in self.held:
            raise Rejected(404, "not found")
        if verb == "DELETE" and "/pods/" in path and "gracePeriodSeconds" not in (body or {}):
            self.held[base]["metadata"]["deletionTimestamp"] = "2026-11-27T00:00:00Z"
            return self.held[base]
        if verb == "DELETE" or path.endswith("/finalize"):
            return self.held.pop(base)
        if verb == "PATCH":
            self.held[base] = merged(self.held[base], body)
        return self.held[base]

    def found(self, path: str, query: str) -> list[dict[str, Any]]:
        """The objects of a list."""
        base, _, kind = path.rpartition("/")
        ours = [
            one
            for name, one in self.held.items()
            if name.startswith(f"{base}/") and name.split("/")[-2] == kind
        ]
        return [one for one in ours if not query or one["metadata"].get("labels")]

    def one(self, kind: str, name: str, base: str = RAY) -> dict[str, Any]:
        """An object of the default namespace."""
        return self.held[f"{base}/namespaces/{SPACE}/{kind}/{name}"]

    def names(self, kind: str, base: str = CORE) -> list[str]:
        """The names of the objects of a kind in the default namespace."""
        start = f"{base}/namespaces/{SPACE}/{kind}/"
        return sorted(path.removeprefix(start) for path in self.held if path.startswith(start))


def merged(before: Any, change: Any) -> Any:
    """A JSON merge patch: RFC 7386."""
    if not isinstance(change, Mapping):
        return change
    found = dict(before) if isinstance(before, Mapping) else {}
    for key, value in change.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


@dataclass
class FakePods:
    """`PodRunner` whose pods are ready once `ready` names their state so. `missing` images can't be started."""

    running: dict[str, RunningPod] = field(default_factory=dict)
    kept: Collection[str] = ()
    missing: str = ""
    room: int = 2**50

    async def memory(self) -> int:
        return self.room

    async def list(self) -> Sequence[RunningPod]:
        return list(self.running.values())

    async def start(self, pod: Mapping[str, Any], cluster: str) -> None:
        if container_of(pod)["image"] == self.missing:
            raise CannotStart("ErrImagePull", f"no image {self.missing}")
        uid, address = pod["metadata"]["uid"], f"10.0.0.{len(self.running) + 2}"
        self.running[uid] = RunningPod(uid, cluster, "starting", address)

    async def stop(self, pods: Sequence[RunningPod]) -> None:
        for pod in pods:
            del self.running[pod.uid]

    async def keep(self, clusters: Collection[str]) -> None:
        self.kept = sorted(clusters)

    def turn(self, state: str) -> None:
        """Give all pods this state."""
        self.running = {uid: replace(one, state=state) for uid, one in self.running.items()}


def manifest(account: str = "", **settings: str) -> dict[str, Any]:
    """What `python -m cluster manifest` prints."""
    return raycluster(topology.load(ROOT, settings), ManifestOptions("lab", SPACE, account))
