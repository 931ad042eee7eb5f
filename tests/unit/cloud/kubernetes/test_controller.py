"""The controller, on an API server in memory: pods, status, service, deletion, and jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from cloud.kubernetes.api import CORE, RAY
from cloud.kubernetes.controller import Controller
from cloud.kubernetes.operator.clusters import ClusterOperator
from kuberay.cluster import cluster_of
from kuberay.ephemeral import rayjob
from kuberay.reasons import reasons_of
from tests.unit.cloud.kubernetes.fakeapi import NOW, SPACE, FakeApi, FakePods, manifest

CLUSTERS = f"{RAY}/namespaces/{SPACE}/rayclusters"
NODES = ["lab-cpu-worker-worker-0", "lab-cpu-worker-worker-1", "lab-gpu-worker-worker-0", "lab-head"]


class Lab:
    """A controller that takes a step when told."""

    def __init__(self) -> None:
        self.api, self.pods, self.now = FakeApi(), FakePods(), NOW
        self.controller = Controller(self.api, self.pods, clock=lambda: self.now)

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            asyncio.run(self.controller.reconcile())

    def create(self, cluster: dict[str, Any]) -> None:
        asyncio.run(self.api.create(CLUSTERS, cluster))
        self.step(2)

    def ready(self) -> None:
        self.pods.turn("ready")
        self.step(2)

    def change(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change the cluster's spec."""
        cluster = self.api.one("rayclusters", "lab")
        edit(cluster["spec"])
        cluster["metadata"]["generation"] += 1
        self.step(3)

    @property
    def cluster(self) -> Any:
        return cluster_of(self.api.one("rayclusters", "lab"))


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_a_cluster_becomes_ready_and_is_deleted_with_all_that_it_owns(lab: Lab) -> None:
    lab.create(manifest())
    assert lab.api.names("pods") == NODES
    assert (lab.cluster.ready, lab.cluster.conditions["HeadPodReady"]) == (False, "False")
    assert lab.api.one("pods", "lab-head", CORE)["status"]["phase"] == "Running"
    lab.ready()
    assert lab.cluster.settled
    assert lab.api.one("rayclusters", "lab")["status"]["observedGeneration"] == 1
    (subset,) = lab.api.one("endpoints", "lab-head-svc", CORE)["subsets"]
    head = lab.api.one("pods", "lab-head", CORE)["status"]
    assert [(one["ip"], one["targetRef"]["name"]) for one in subset["addresses"]] == [
        (head["podIP"], "lab-head")
    ]
    assert {"name": "dashboard", "port": 8265} in subset["ports"]
    assert lab.pods.kept == ["default/lab"]
    del lab.api.held[f"{CLUSTERS}/lab"]
    asyncio.run(ClusterOperator(lab.api, lambda: NOW, lambda head: {}).reconcile())
    assert lab.api.names("pods") == NODES  # until their containers have ended
    lab.step(2)
    assert [lab.api.names(kind) for kind in ("pods", "services", "endpoints")] == [[], [], []]
    assert (lab.pods.running, lab.pods.kept) == ({}, [])


def test_nothing_is_written_while_nothing_changes(lab: Lab) -> None:
    lab.create(manifest())
    lab.ready()
    lab.step()
    before = {name: dict(one) for name, one in lab.api.held.items()}
    lab.now += 60
    lab.step(2)
    assert lab.api.held == before


def test_a_group_is_resized_and_the_cluster_stays_ready(lab: Lab) -> None:
    lab.create(manifest())
    lab.ready()

    def resize(spec: dict[str, Any]) -> None:
        spec["workerGroupSpecs"][0] |= {"replicas": 3, "minReplicas": 0, "maxReplicas": 3}
        spec["workerGroupSpecs"][1] |= {"replicas": 0, "minReplicas": 0}

    lab.change(resize)
    assert lab.api.names("pods") == ["lab-cpu-worker-worker-0", "lab-cpu-worker-worker-1",
                                      "lab-cpu-worker-worker-2", "lab-head"]  # fmt: skip
    assert (lab.cluster.ready, lab.cluster.settled) == (True, False)
    lab.ready()
    assert lab.cluster.settled


def test_a_suspended_cluster_has_no_pods(lab: Lab) -> None:
    lab.create(manifest())
    lab.ready()
    lab.change(lambda spec: spec.update(suspend=True))
    assert (lab.api.names("pods"), lab.cluster.described_state) == ([], "suspended")
    assert lab.api.one("rayclusters", "lab")["status"]["state"] == "suspended"
    lab.change(lambda spec: spec.update(suspend=False))
    assert lab.api.names("pods") == NODES
    assert not lab.cluster.ready


def test_a_lost_head_is_replaced(lab: Lab) -> None:
    lab.create(manifest())
    lab.ready()
    first = lab.api.held.pop(f"{CORE}/namespaces/{SPACE}/pods/lab-head")
    lab.step(3)
    assert lab.api.one("pods", "lab-head", CORE)["metadata"]["uid"] != first["metadata"]["uid"]
    assert not lab.cluster.ready
    lab.ready()
    assert lab.cluster.ready


def reasons(lab: Lab) -> list[str]:
    pods = (lab.api.one("pods", name, CORE) for name in lab.api.names("pods"))
    return [reason for pod in pods for reason in reasons_of(pod)]


def test_the_reasons_are_those_of_kubernetes(lab: Lab) -> None:
    """The submitter and `cluster up` show them while they wait."""
    lab.pods.missing = "raydock/gpu-worker:2.47.1"
    lab.pods.room = 7 * 2**30
    lab.create(manifest())
    assert reasons(lab) == [
        "pod lab-cpu-worker-worker-1 is Unschedulable: 0/1 nodes are available: 1 Insufficient memory.",
        "pod lab-gpu-worker-worker-0 is Unschedulable: 0/1 nodes are available: 1 Insufficient memory.",
    ]
    lab.pods.room = 2**50
    lab.step(2)
    assert reasons(lab) == ["pod lab-gpu-worker-worker-0: ErrImagePull: no image raydock/gpu-worker:2.47.1"]
    assert not lab.cluster.reason


def test_pods_of_an_account_that_does_not_exist_are_not_created(lab: Lab) -> None:
    lab.create(manifest("gone"))
    assert (lab.api.names("pods"), lab.cluster.reason) == (
        [],
        'pods "lab-head" is forbidden: error looking up service account default/gone: serviceaccount "gone" not found',
    )
    asyncio.run(lab.api.create(f"{CORE}/namespaces/{SPACE}/serviceaccounts", {"metadata": {"name": "gone"}}))
    lab.step(2)
    assert (lab.api.names("pods"), lab.cluster.reason) == (NODES, "")


def test_a_job_gets_a_cluster_that_is_deleted_after_it(lab: Lab) -> None:
    job = rayjob("job-x", manifest(), wait=60, deadline=None)
    asyncio.run(lab.api.create(f"{RAY}/namespaces/{SPACE}/rayjobs", job))
    lab.step(4)

    def status() -> Any:
        return lab.api.one("rayjobs", "job-x")["status"]

    name = status()["rayClusterName"]
    assert (lab.api.names("rayclusters", RAY), status()["jobDeploymentStatus"]) == ([name], "Initializing")
    lab.pods.turn("ready")
    lab.step(3)
    assert status()["jobDeploymentStatus"] == "Waiting"
    lab.api.one("rayjobs", "job-x")["spec"]["jobId"] = "submitted"
    lab.api.proxied["/api/jobs/submitted"] = {"status": "RUNNING"}
    lab.step(2)
    assert (status()["jobDeploymentStatus"], status()["jobStatus"]) == ("Running", "RUNNING")
    lab.api.proxied["/api/jobs/submitted"] = {"status": "SUCCEEDED"}
    lab.step()
    assert (status()["jobDeploymentStatus"], status()["jobStatus"]) == ("Complete", "SUCCEEDED")
    lab.step()
    assert lab.api.names("rayclusters", RAY) == [name]
    lab.now += 600
    lab.step(2)
    assert (lab.api.names("rayclusters", RAY), lab.api.names("pods")) == ([], [])


def test_the_cluster_of_a_deleted_job_is_deleted(lab: Lab) -> None:
    job = rayjob("job-x", manifest(), wait=60, deadline=None)
    asyncio.run(lab.api.create(f"{RAY}/namespaces/{SPACE}/rayjobs", job))
    lab.step(3)
    del lab.api.held[f"{RAY}/namespaces/{SPACE}/rayjobs/job-x"]
    lab.step(2)
    assert (lab.api.names("rayclusters", RAY), lab.pods.running) == ([], {})


def test_an_object_that_makes_no_sense_does_not_stop_the_others(lab: Lab) -> None:
    """Such as a pod with the operator's label that belongs to no cluster."""
    labels = {"labels": {"app.kubernetes.io/created-by": "kuberay-operator"}}
    spec = {"containers": [{"image": "x"}]}
    lab.create({"metadata": {"name": "first"}, "spec": {"workerGroupSpecs": [{"replicas": "many"}]}})
    pods = f"{CORE}/namespaces/{SPACE}/pods"
    uid = lab.api.one("rayclusters", "first")["metadata"]["uid"]
    owner = {"ownerReferences": [{"uid": uid, "controller": True}]}
    asyncio.run(lab.api.create(pods, {"metadata": {"name": "a", **labels, **owner}, "spec": spec}))
    lab.create(manifest())
    assert set(NODES) <= set(lab.api.names("pods"))
    lab.ready()
    assert lab.cluster.settled


def test_a_deleted_namespace_is_emptied(lab: Lab) -> None:
    lab.create(manifest())
    space = lab.api.held[f"{CORE}/namespaces/{SPACE}"]
    assert lab.api.names("serviceaccounts") == ["default"]
    space["metadata"]["deletionTimestamp"] = "2026-11-27T00:00:00Z"
    lab.step(3)
    assert not [path for path in lab.api.held if f"namespaces/{SPACE}" in path]
