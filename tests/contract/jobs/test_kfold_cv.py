"""Five folds: a floor that can fail, every worker used, the same scores with a node killed."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, result, started, wait_for_line

SCRIPT = ROOT / "jobs" / "kfold_cv.py"


@pytest.mark.parametrize(
    ("accuracy", "words", "told"),
    [
        (0.94, [], r"^the accuracy of 0\.9400 is below the floor of 0\.95$"),
        (0.96, ["--compare"], r"^with Ray, the folds score \[0\.96, .*\]; without Ray, they score \[1\.0\]$"),
    ],
)
def test_bad_folds_fail(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, accuracy: float, words: list[str], told: str
) -> None:
    monkeypatch.setattr(job.ray, "init", lambda: None)
    monkeypatch.setattr(job.ray, "get", lambda ref: ref)
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(job, "scores_with_ray", lambda *given: [{"accuracy": accuracy}] * 5)
    monkeypatch.setattr(job, "scores_alone", SimpleNamespace(remote=lambda *given: ([1.0], 1.0)))
    with pytest.raises(RuntimeError, match=told):
        job.run(job.parse_args(words))


def test_the_result_says_what_ray_gained(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    task = {"name": "fold", "node": "n", "start": 0.0, "end": 1.0, "peak_mib": 7.0, "accuracy": 0.96}
    monkeypatch.setattr(job.ray, "init", lambda: None)
    monkeypatch.setattr(job.ray, "get", lambda ref: ref)
    monkeypatch.setattr(job.ray, "nodes", list)
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(job, "scores_with_ray", lambda *given: [task] * 5)
    monkeypatch.setattr(job, "scores_alone", SimpleNamespace(remote=lambda *given: ([0.96] * 5, 3.0)))
    found = job.run(job.parse_args(["--compare"]))
    assert (found["cpus"], found["seconds"]["alone"], found["peak_memory_mib"]) == (2, 3.0, 7.0)
    assert found["speed_up"] == pytest.approx(3.0 / found["seconds"]["ray"])
    assert found["efficiency"] == pytest.approx(found["speed_up"] / 2)
    assert found["metrics"]["mean_accuracy"] == pytest.approx(0.96)


@pytest.mark.ray
@pytest.mark.nightly(
    "tests/contract/test_lessons.py::test_it_runs_on_the_workers[docker-kfold_cv]",
)
def test_it_uses_each_worker_and_agrees_with_the_run_without_ray(nodes: Nodes, tmp_path: Path) -> None:
    log, output = tmp_path / "log", tmp_path / "result.json"
    words = (
        "--models",
        "200",
        "--compare",
        "--output",
        str(output),
    )  # long enough that no node does everything
    with started(SCRIPT, *words, env={"RAY_ADDRESS": nodes.address}, log=log) as process:
        code = process.wait(240)
    text = log.read_text()
    assert code == 0, text
    found = result(text)
    assert json.loads(output.read_text()) == found
    assert {(node["node"], node["pool"]) for node in found["nodes"]} == nodes.used
    assert found["cpus"] == 2
    assert found["speed_up"] == pytest.approx(found["seconds"]["alone"] / found["seconds"]["ray"])
    assert found["efficiency"] == pytest.approx(found["speed_up"] / 2)


@pytest.mark.ray
@pytest.mark.nightly("tests/contract/jobs/test_sklearn_joblib.py::test_it_outlives_a_worker_node[0.0s]")
def test_it_outlives_a_worker_node(job: ModuleType, nodes: Nodes, tmp_path: Path, later: float) -> None:
    log = tmp_path / "log"
    with started(SCRIPT, "--models", "800", env={"RAY_ADDRESS": nodes.address}, log=log) as process:
        wait_for_line(log, ": accuracy", process)
        nodes.kill(later)
        code = process.wait(300)
    text = log.read_text()
    assert code == 0, text
    X, y = job.load_iris(return_X_y=True)
    undisturbed = [job.accuracy_of_fold(X, y, *fold, 800) for fold in job.FOLDS.split(X, y)]
    assert [task["accuracy"] for task in result(text)["tasks"]] == undisturbed
