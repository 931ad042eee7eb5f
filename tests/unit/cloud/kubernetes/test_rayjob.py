"""What a RayJob wants next, in the cases in which it fails."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.kubernetes.operator.rayjob import next_step, stamp
from kuberay.ephemeral import rayjob
from tests.unit.cloud.kubernetes.fakeapi import NOW, manifest

ABOUT = {"name": "job-x", "namespace": "default", "uid": "u", "generation": 1}


def job(state: str, since: float, **spec: Any) -> dict[str, Any]:
    """A job in a state that started so many seconds ago, with a wait of a minute and an hour to run."""
    found = rayjob("job-x", manifest(), wait=60, deadline=3600)
    status = {"jobDeploymentStatus": state, "rayClusterName": "c", "startTime": stamp(NOW - since)}
    return {"metadata": ABOUT, "spec": {**found["spec"], **spec}, "status": status}


CLUSTER = {"metadata": {"name": "c", "namespace": "default"}, "spec": {}}


@pytest.mark.parametrize(
    ("state", "since", "reason"),
    [
        ("Initializing", 600, ""),
        ("Waiting", 661, "PreRunningDeadlineExceeded"),
        ("Running", 661, ""),
        ("Running", 4261, "DeadlineExceeded"),
    ],
)
def test_deadlines(state: str, since: float, reason: str) -> None:
    found = next_step(job(state, since), CLUSTER, "RUNNING" if state == "Running" else "", NOW).status
    assert found.get("reason", "") == reason
    assert (found.get("jobDeploymentStatus") == "Failed") is bool(reason)


@pytest.mark.parametrize(
    ("ray", "state"), [("FAILED", "Failed"), ("STOPPED", "Complete"), ("SUCCEEDED", "Complete")]
)
def test_ends(ray: str, state: str) -> None:
    found = next_step(job("Running", 10), CLUSTER, ray, NOW).status
    assert (found["jobStatus"], found["jobDeploymentStatus"], found["endTime"]) == (ray, state, stamp(NOW))


def test_a_cluster_that_was_deleted_ends_the_job() -> None:
    found = next_step(job("Running", 10), None, "", NOW).status
    assert (found["jobDeploymentStatus"], found["reason"]) == ("Failed", "RayClusterDeleted")


def test_other_modes_are_refused() -> None:
    new = {**job("", 0, submissionMode="HTTPMode"), "status": {}}
    found = next_step(new, None, "", NOW).status
    assert (found["jobDeploymentStatus"], found["message"]) == (
        "ValidationFailed",
        "The lab runs RayJobs only in submissionMode InteractiveMode, not HTTPMode.",
    )


def test_a_suspended_job_has_no_cluster() -> None:
    step = next_step(job("Waiting", 10, suspend=True), CLUSTER, "", NOW)
    assert (step.delete, step.status["jobDeploymentStatus"]) == ("c", "Suspended")
