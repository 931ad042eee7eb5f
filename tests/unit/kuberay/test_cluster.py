"""A RayCluster's object as values."""

from __future__ import annotations

from typing import Any

import pytest

from kuberay.cluster import cluster_of
from kuberay.quantity import quantity
from tests.fakekube import group, raycluster


def test_accounts_are_those_of_all_pods() -> None:
    workers = [group("cpu-worker", "ray-head"), group("gpu-worker"), group("data", "reader")]
    found = cluster_of(raycluster(workerGroupSpecs=workers))
    assert found.accounts() == {
        "ray-head": ("head", "cpu-worker"),
        "default": ("gpu-worker",),
        "reader": ("data",),
    }


def test_autoscaled_head_has_the_account_that_the_operator_makes_for_it() -> None:
    found = cluster_of(raycluster(headGroupSpec=group("head"), enableInTreeAutoscaling=True))
    assert found.groups[0].service_account == "lab"
    assert (found.groups[1].replicas, found.groups[1].most) == (1, 3)


def test_resources_are_those_that_ray_gets() -> None:
    gpu = group("gpu-worker", cpu="1500m", memory="4Gi") | {"rayStartParams": {"num-gpus": "1"}}
    found = cluster_of(raycluster(headGroupSpec=group("head") | {"rayStartParams": {"num-cpus": "0"}},
                                  workerGroupSpecs=[gpu]))  # fmt: skip
    assert found.groups[0].resources == {"CPU": 0}
    assert found.groups[1].resources == {"CPU": 2, "memory": 4 * 2**30, "GPU": 1}


@pytest.mark.parametrize(
    ("written", "amount"),
    [("250m", 0.25), ("1", 1), (2, 2), ("1e3", 1000), ("2E", 2e18), ("1.5Gi", 1.5 * 2**30), ("1Ki", 1024),
     ("many", 0), ("1Mi5", 0), ("", 0), (None, 0), ("1e9999", 0), ("-1", 0)],
)  # fmt: skip
def test_quantities_are_those_of_kubernetes(written: object, amount: float) -> None:
    assert quantity(written) == amount


@pytest.mark.parametrize(
    ("status", "spec", "ready", "state"),
    [
        ({"state": "ready"}, {}, True, "ready"),
        ({"conditions": [{"type": "RayClusterProvisioned", "status": "True"}]}, {}, True, "ready"),
        ({"state": "ready", "conditions": [{"type": "HeadPodReady", "status": "False"}]}, {}, False, "not ready"),
        ({"state": "ready"}, {"suspend": True}, False, "suspended"),
        ({"state": "failed", "reason": "quota"}, {}, False, "failed"),
        ({}, {}, False, "not ready"),
    ],
)  # fmt: skip
def test_ready_means_that_the_head_runs_now(
    status: dict[str, Any], spec: dict[str, Any], ready: bool, state: str
) -> None:
    found = cluster_of(raycluster(**spec) | {"status": status})
    assert (found.ready, found.described_state) == (ready, state)
    assert found.service == "lab-head-svc"
