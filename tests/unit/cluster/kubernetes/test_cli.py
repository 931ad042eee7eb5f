"""The commands for RayClusters: what is sent, shown and waited for, and what is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml

from raydock.settings import ROOT
from tests.fakekube import FakeKube, operate, raycluster
from tests.fakes import FakeDashboard, FakeJob
from tests.unit.cluster.kubernetes.conftest import Run

UP = ("up", "--cluster", "lab", "--yes")
FLAGS = "--target kuberay --context lab --namespace ray"
ADMIN = "an administrator of the namespace grants it:"


def sent(kube: FakeKube, method: str) -> list[str]:
    return [one for one in kube.requests if one.startswith(method)]


def test_up_creates_the_cluster_of_compose_and_waits(kube: FakeKube, run: Run) -> None:
    def slowly(cluster: dict[str, Any]) -> None:
        kube.pods = [
            {
                "metadata": {"name": "lab-head"},
                "status": {
                    "containerStatuses": [
                        {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "denied"}}}
                    ]
                },
            }
        ]
        kube.on_read = lambda: (
            operate(cluster) if len(sent(kube, "GET /api/v1/namespaces/ray/pods")) else None
        )

    kube.operator = slowly
    status, out, err = run(*UP, "--service-account", "ray-head", "--label", "team=a", "--max-idle", "30m")
    assert status == 0, err
    assert "RayCluster lab in namespace ray of context lab:" in out
    assert "total         4 pods, 3 CPUs for tasks, 1 GPU, 12 GiB" in out
    assert "jobs run as   Kubernetes service account ray-head (head, cpu-worker, gpu-worker)" in out
    assert f"Next:    python submit.py {FLAGS} --cluster lab jobs/sklearn_joblib.py" in out
    assert f"  python -m cluster idle {FLAGS} --cluster lab --max-idle 30m\n" in out
    assert err.splitlines() == [
        "cluster: lab: not ready (pod lab-head: ImagePullBackOff: denied), 0 s",
        "cluster: lab: ready, 0 s",
    ]
    made = kube.clusters["lab"]
    assert made["metadata"]["labels"] == {"team": "a"}
    assert [one["replicas"] for one in made["spec"]["workerGroupSpecs"]] == [2, 1]
    assert [one.rpartition("?")[2] for one in sent(kube, "PATCH")] == [
        "fieldManager=raydock&fieldValidation=Strict&dryRun=All",
        "fieldManager=raydock&fieldValidation=Strict",
    ]


def test_up_again_changes_only_what_differs(
    kube: FakeKube, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*UP)[0] == 0
    status, out, err = run(*UP)
    assert (status, err.splitlines()[0]) == (0, "cluster: lab already exists: ready; nothing to change")
    assert len(sent(kube, "PATCH")) == 3
    monkeypatch.setenv("CPU_WORKERS", "3")
    status, out, _ = run("up", "--cluster", "lab")
    assert status == 2  # no terminal to ask
    assert out.splitlines() == [
        "Changes to RayCluster lab in namespace ray of context lab:",
        "",
        "FIELD                                     NOW  THEN",
        "workerGroupSpecs[cpu-worker].replicas     2    3",
        "workerGroupSpecs[cpu-worker].minReplicas  2    3",
        "workerGroupSpecs[cpu-worker].maxReplicas  2    3",
    ]
    assert len(sent(kube, "PATCH")) == 4
    assert run(*UP)[0] == 0
    assert kube.clusters["lab"]["spec"]["workerGroupSpecs"][0]["replicas"] == 3


def test_dry_run_prints_what_would_be_sent(kube: FakeKube, run: Run) -> None:
    status, out, _ = run("up", "--cluster", "lab", "--dry-run")
    assert (status, kube.clusters, len(sent(kube, "PATCH"))) == (0, {}, 1)
    assert out.endswith("\nNothing was created (--dry-run).\n")
    found = yaml.safe_load(out.partition("which the API server accepts:\n\n")[2].rpartition("\nNothing")[0])
    assert (found["kind"], found["metadata"]) == ("RayCluster", {"name": "lab", "namespace": "ray"})


def test_a_field_that_another_client_owns_is_not_overwritten(kube: FakeKube, run: Run) -> None:
    run(*UP)
    kube.conflicts = [("kubectl-edit", ".spec.workerGroupSpecs"), ("kubectl-edit", ".spec.rayVersion")]
    status, _, err = run(*UP)
    assert status == 1
    assert err == (
        "cluster: lab was changed by another client, and nothing was changed now: kubectl-edit has set "
        "spec.workerGroupSpecs, spec.rayVersion.\n"
        f"  Keep its values, or overwrite them: python -m cluster up {FLAGS} --cluster lab --force-conflicts\n"
    )
    assert run(*UP, "--force-conflicts")[0] == 0
    kube.conflicts = [("raydock", ".spec.workerGroupSpecs")]  # of our own `scale`
    assert run(*UP)[0] == 0


@pytest.mark.parametrize("verb", ["get", "patch", "create"])
def test_up_names_a_missing_verb(kube: FakeKube, run: Run, verb: str) -> None:
    kube.denied = {f"{verb} rayclusters.ray.io"}
    status, _, err = run(*UP)
    assert (status, kube.clusters) == (1, {})
    assert err.startswith(
        f"cluster: jane may not {verb} rayclusters.ray.io in namespace ray of context lab.\n  {ADMIN}\n"
        f"kubectl --context lab -n ray create role raydock-{verb}-rayclusters-ray-io"
    )


def test_a_cluster_that_does_not_become_ready_is_explained(kube: FakeKube, run: Run) -> None:
    kube.operator = lambda cluster: cluster.update(status={})
    status, _, err = run(*UP, "--deadline", "0.05s")
    assert status == 1
    assert (
        "lab is still not ready (KubeRay's operator has not reported on it) after 0 s. KubeRay continues in"
        in err
    )
    assert f"Keep waiting: python -m cluster up {FLAGS} --cluster lab" in err


def test_what_belongs_to_a_rayjob_is_left_to_it(kube: FakeKube, run: Run) -> None:
    kube.clusters["lab"] = raycluster()
    owner = {"kind": "RayJob", "name": "train", "controller": True}
    kube.clusters["lab"]["metadata"]["ownerReferences"] = [owner]
    for words in (UP, ("down", "--cluster", "lab", "--yes"), ("scale", "--cluster", "lab", "cpu-worker=2")):
        status, _, err = run(*words)
        assert status == 4
        assert err.startswith("cluster: lab belongs to rayjob/train, which would restore it.\n")
        assert "Delete it: kubectl --context lab -n ray delete rayjob train\n" in err
    assert "lab" in kube.clusters


def test_down_deletes_and_waits_for_the_pods(kube: FakeKube, run: Run) -> None:
    run(*UP)
    assert run("down", "--cluster", "lab")[0] == 2  # no terminal to ask
    assert "lab" in kube.clusters
    kube.pods = [{"metadata": {"name": "lab-head"}}]
    kube.on_read = lambda: (
        kube.pods.clear() if len(sent(kube, "GET /api/v1/namespaces/ray/pods")) > 1 else None
    )
    status, out, err = run("down", "--cluster", "lab", "--yes")
    assert (status, kube.clusters) == (0, {})
    assert out == (
        "lab in namespace ray of context lab: ready, 4 pods\n"
        "Deleted: lab. Service accounts, secrets and images were not changed.\n"
    )
    assert err == "cluster: lab: waiting for 1 pod to end, 0 s\n"
    status, _, err = run("down", "--cluster", "lab", "--yes")
    assert (status, err.splitlines()[0]) == (
        4,
        "cluster: There is no RayCluster lab in namespace ray of context lab.",
    )


def test_status_of_one_and_all(kube: FakeKube, run: Run) -> None:
    status, _, err = run("status")
    assert (status, err) == (
        4,
        "cluster: There are no RayClusters in namespace ray of context lab.\n"
        f"  Create one: python -m cluster up {FLAGS}\n",
    )
    run(*UP)
    assert (
        "There is no namespace gone in the cluster of context lab." in run("status", "--namespace", "gone")[2]
    )
    kube.clusters["two"] = raycluster("two")
    kube.clusters["two"]["status"] = {}
    status, out, _ = run("status")
    assert status == 0
    assert [line.split()[:4] for line in out.splitlines()[:3]] == [
        ["NAME", "STATE", "RAY", "PODS"],
        ["lab", "ready", "2.47.1", "4"],
        ["two", "not", "ready", "2.47.1"],
    ]
    assert "two           KubeRay's operator has not reported on it" in out
    assert "GROUP       PODS  CPUS  MEMORY  GPUS         IMAGE\n" in run("status", "--cluster", "lab")[1]
    found = json.loads(run("status", "--json")[1])
    assert (found["version"], found["kind"], found["namespace"]) == (1, "kuberay", "ray")
    assert [(one["id"], one["ready"]) for one in found["clusters"]] == [("lab", True), ("two", False)]


def test_scale_sets_the_number_and_keeps_it_within_bounds(kube: FakeKube, run: Run) -> None:
    run(*UP)
    status, out, _ = run("scale", "--cluster", "lab", "cpu-worker=4", "gpu-worker=0")
    assert status == 0
    groups = kube.clusters["lab"]["spec"]["workerGroupSpecs"]
    assert [(one["minReplicas"], one["replicas"], one["maxReplicas"]) for one in groups] == [
        (2, 4, 4),
        (0, 0, 1),
    ]
    assert "cpu-worker  4 " in out
    for words, message in (
        (["head=2"], "The head is always one pod and can't be scaled."),
        (["tpu=1"], "There is no group tpu."),
    ):
        status, _, err = run("scale", "--cluster", "lab", *words)
        assert (status, err) == (2, f"cluster: {message}\n  Worker groups: cpu-worker, gpu-worker\n")
    kube.clusters["lab"]["spec"]["enableInTreeAutoscaling"] = True
    status, _, err = run("scale", "--cluster", "lab", "cpu-worker=1")
    assert status == 2
    assert "lab autoscales (cpu-worker from 2 to 4, gpu-worker from 0 to 1 pods)" in err


def test_up_keeps_what_the_autoscaler_has_chosen(kube: FakeKube, run: Run) -> None:
    words = (*UP, "--autoscale", "1:5")
    assert run(*words)[0] == 0
    kube.clusters["lab"]["spec"]["workerGroupSpecs"][0]["replicas"] = 5
    assert "nothing to change" in run(*words)[2]


def test_idle_deletes_only_what_is_idle(kube: FakeKube, ray: FakeDashboard, run: Run) -> None:
    words = ("idle", "--cluster", "lab", "--max-idle", "30m", "--once")
    run(*UP)
    now = time.time()
    ray.jobs["a"] = FakeJob("a", status="RUNNING", started=now)
    assert run(*words) == (0, "lab: kept: unfinished jobs: a.\n", "")
    ray.jobs["a"] = FakeJob("a", status="SUCCEEDED", started=now - 7200, ended=now - 60)
    assert run(*words)[1].startswith("lab: kept: no job for ")
    kube.endpoints = False
    status, _, err = run(*words)
    assert (status, "lab" in kube.clusters) == (4, True)
    assert err.startswith("cluster: lab: kept, because it is unknown whether it is idle: ")
    kube.endpoints = True
    ray.jobs["a"] = FakeJob("a", status="SUCCEEDED", started=now - 7200, ended=now - 3600)
    assert run(*words)[1].startswith("lab: deleting it: no job for ")
    assert kube.clusters == {}
    assert run(*words)[1].startswith("lab: nothing to delete: There is no RayCluster lab")


def test_a_head_that_became_ready_just_now_is_not_idle(kube: FakeKube, run: Run) -> None:
    run(*UP)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    kube.clusters["lab"]["status"]["conditions"][0]["lastTransitionTime"] = now
    assert run("idle", "--cluster", "lab", "--max-idle", "30m", "--once")[1].startswith(
        "lab: kept: no job for "
    )


def test_diff_compares_with_the_local_cluster(
    kube: FakeKube, ray: FakeDashboard, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*UP)
    monkeypatch.setenv("RAYDOCK_PORT", str(ray.port))
    status, out, err = run("diff", "--cluster", "lab", "--job", str(ROOT / "jobs/ray_tasks.py"))
    assert status == 0, err
    assert "KUBERAY" in out.splitlines()[0]
    assert "  kuberay unknown (ray/default)\n" in out


@pytest.mark.parametrize(
    ("words", "message", "fix"),
    [
        (("down",), "down: no cluster given.", "Add --cluster NAME; to list the clusters: python -m cluster status"),
        (("up", "--region", "r"), "--region applies only to a cluster on Vertex AI.", "Add --target vertex."),
        (("up", "--build"), "--build applies only to a local cluster.", "Remove it, or remove --target kuberay."),
        (("up", "--image", "no=x"), "--image no=x: there is no pool 'no'; the pools: head, cpu-worker, gpu-", ""),
        (("up", "--deadline", "x"), "--deadline 'x' is not a duration", "Example: --deadline 30m"),
        (("up", "--context", "nope"), "There is no context nope in the kubeconfig", "--context lab"),
    ],
)  # fmt: skip
def test_invalid_command_lines(
    kube: FakeKube, run: Run, words: tuple[str, ...], message: str, fix: str
) -> None:
    status, _, err = run(*words)
    assert (status, kube.clusters) == (2, {})
    assert f"cluster: {message}" in err
    assert fix in err


def test_flags_of_kubernetes_need_the_target(kube: FakeKube, capsys: pytest.CaptureFixture[str]) -> None:
    from cluster import cli

    assert cli.main(["status", "--context", "lab"]) == 2
    assert (
        "--context applies only to a cluster on Kubernetes.\n  Add --target kuberay."
        in capsys.readouterr().err
    )
