"""Every job script, through submit.py: a short run each.

The gate runs nearly all of them in Docker and a few elsewhere; `make test-all` runs all of them everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import kubeserver
from tests.command import JOBS, ROOT, Ended, environment, submit
from tests.contract.jobs.running import check
from tests.lab import Lab

# The job that writes the input of each.
READS = {
    "csv_to_parquet": "make_data",
    "train_xgboost": "make_data",
    "batch_predict": "train_xgboost",
    "serve_model": "train_xgboost",
}
PIPELINE = ("make_data", *READS)
LESSONS = (
    *sorted(path.stem for path in JOBS if path.stem not in PIPELINE),
    *PIPELINE,
)
RAN: set[tuple[str, str]] = set()  # project of the cluster, job
ARGUMENTS: dict[str, list[str]] = {
    "whoami": [],
    "kfold_cv": ["--models", "200"],  # so long that no node does it all
}
NOT_COMPARED = {"make_data", "gpu_tasks", "whoami"}
# Enough work for several nodes, however slowly one of them starts.
ON_SEVERAL = {"sklearn_joblib", "kfold_cv", "ray_tasks", "serve_model", "whoami"}
ON_PROCESSES = {"ray_tasks", "whoami"}  # in the gate
HERE = "tests/contract/test_lessons.py::test_it_runs_on_the_workers"
# Lessons that the gate runs on nodes of this machine instead, in about half of the time.
SERVE = "tests/contract/jobs/test_serve_model.py::test_two_replicas_are_on_two_workers_and_nothing_stays[1]"
TUNE = (
    "tests/contract/jobs/test_tune_forest.py::test_a_run_that_was_ended_goes_on_and_repeats_no_trial[SIGINT]"
)
ELSEWHERE = {"serve_model": SERVE, "tune_forest": TUNE}


def in_gate(job: str) -> str:
    """The test of `make test` that runs this lesson on several nodes."""
    return ELSEWHERE.get(job) or f"{HERE}[docker-{job}]"


def cases() -> list[Any]:
    found = []
    for job in LESSONS:
        nightly = [pytest.mark.nightly(in_gate(job))]
        late, docker_late = [] if job in ON_PROCESSES else nightly, nightly if job in ELSEWHERE else []
        found.append(pytest.param("docker", job, marks=[pytest.mark.docker, *docker_late]))
        found.append(pytest.param("processes", job, marks=[pytest.mark.ray, *late]))
        found.append(pytest.param("kubernetes", job, marks=kubeserver.needed(in_gate(job))))
    return found


def feed(cluster: str, job: str, run: Callable[[str], object]) -> None:
    """Runs the jobs that write the job's input, unless they ran on that cluster already."""
    first = READS.get(job)
    if first and (cluster, first) not in RAN:
        feed(cluster, first, run)
        run(first)
        RAN.add((cluster, first))
    RAN.add((cluster, job))


@pytest.mark.parametrize(("lab", "job"), cases(), indirect=["lab"])
def test_it_runs_on_the_workers(lab: Lab, job: str, tmp_path: Path) -> None:
    compare = [] if job in NOT_COMPARED else ["--compare"]
    arguments = ["--", *ARGUMENTS.get(job, ["--smoke-test"]), *compare]
    written = tmp_path / "result.json"
    env = environment(**lab.reach)

    def run(script: str) -> Ended:
        return submit(ROOT / "jobs" / f"{script}.py", "--", "--smoke-test", env=env, timeout=600)

    feed(lab.project, job, run)
    done = submit("--result", written, ROOT / "jobs" / f"{job}.py", *arguments, env=env, timeout=600)
    assert done.code == 0, done.out + done.err
    assert "The header is not accurate" not in done.err
    result: dict[str, Any] = json.loads(written.read_text())
    (line,) = [line for line in done.out.splitlines() if line.startswith("RESULT ")]
    assert result == json.loads(line.removeprefix("RESULT "))
    check(result, job)
    workers = [node for node in result["nodes"] if node["pool"] != "head" or job == "whoami"]
    assert workers == result["nodes"], "the head computes nothing"
    assert len(workers) >= (2 if job in ON_SEVERAL else 1), result["nodes"]
    if compare:
        assert result["speed_up"] == pytest.approx(
            result["seconds"]["alone"] / result["seconds"]["ray"], abs=0.01
        )
        assert result["efficiency"] == pytest.approx(result["speed_up"] / result["cpus"])
        assert "\n  speed-up " in done.said.split("SUCCEEDED")[1]
    if job == "sklearn_joblib":
        assert result["metrics"]["cv_accuracy"] >= 0.97
