"""The first lesson: it waits for workers, uses all, agrees with the run without Ray, and survives a node's death."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, result, started, wait_for_line

SCRIPT = ROOT / "jobs" / "sklearn_joblib.py"
# Of the first 16 candidates, wherever they ran.
BEST = {
    "cv_accuracy": 0.9716279789538842,
    "best_params": {
        "C": 188.73918221350996, "class_weight": "balanced", "gamma": 0.0009236708571873865, "tol": 0.03039195382313198
    },
}  # fmt: skip
GOOD = SimpleNamespace(best_score_=0.9716, best_params_={"C": 10.0})


@pytest.fixture
def run(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """job.run with given search results, and without Ray."""

    def run(*words: str, ray: SimpleNamespace = GOOD, alone: SimpleNamespace = GOOD) -> dict[str, Any]:
        monkeypatch.setattr(job.ray, "init", lambda: None)
        monkeypatch.setattr(job.ray, "get", lambda ref: ref)
        monkeypatch.setattr(job, "wait_for_cpus", lambda: None)
        monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"CPU": 2.0})
        call = {"tasks": 40, "shared_bytes": 920_000, "spans": []}
        monkeypatch.setattr(job.joblib_ray, "last_call", lambda: call)
        monkeypatch.setattr(job, "nodes_that_worked", lambda tasks: [])
        monkeypatch.setattr(job, "search_with_ray", lambda n_iter: ray)
        monkeypatch.setattr(job, "search_alone", SimpleNamespace(remote=lambda n_iter: alone))
        monkeypatch.setattr(job.time, "perf_counter", iter([0.0, 2.0, 5.0, 8.0]).__next__)
        found = job.run(job.parse_args(list(words)))
        assert isinstance(found, dict)
        return found

    return run


def test_a_cluster_without_workers_is_one_sentence(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"memory": 1.0})
    with pytest.raises(SystemExit) as raised:
        job.wait_for_cpus(seconds=0)
    assert raised.value.code == (
        "No workers: this job needs 2 CPUs on workers, but after 0 s the cluster has 0. "
        "Start workers, or wait for them to join, then resubmit the job."
    )


def test_the_search_is_the_one_of_the_seed(job: ModuleType) -> None:
    assert job.parse_args(["--full"]).n_iter == 300
    assert {name: len(values) for name, values in job.SPACE.items()} == {
        "C": 30, "gamma": 30, "tol": 30, "class_weight": 2
    }  # fmt: skip


def test_the_default_shows_a_speed_up_within_a_minute(job: ModuleType) -> None:
    """On two cores: 40 candidates take about 23 s without Ray."""
    args = job.parse_args([])
    assert (args.n_iter, args.compare) == (40, True)


def test_a_bad_search_fails(run: Callable[..., dict[str, Any]]) -> None:
    bad = SimpleNamespace(best_score_=0.9699, best_params_={})
    with pytest.raises(RuntimeError, match=r"^accuracy 0\.9699 is below the floor, 0\.97$"):
        run(ray=bad, alone=bad)


def test_a_run_that_differs_without_ray_fails(run: Callable[..., dict[str, Any]]) -> None:
    other = SimpleNamespace(best_score_=0.9716, best_params_={"C": 1.0})
    with pytest.raises(RuntimeError, match=r"^with Ray \{'C': 10\.0\} is best, without it \{'C': 1\.0\}$"):
        run("--compare", alone=other)


def test_the_speed_up_is_told_only_where_it_was_measured(run: Callable[..., dict[str, Any]]) -> None:
    alone = run("--no-compare")
    assert (alone["seconds"], alone["speed_up"]) == ({"ray": 2.0, "alone": None}, None)
    compared = run()
    assert (compared["seconds"], compared["speed_up"]) == ({"ray": 2.0, "alone": 3.0}, 1.5)


@pytest.mark.ray
@pytest.mark.nightly(
    "tests/contract/test_lessons.py::test_it_runs_on_the_workers[docker-sklearn_joblib]",
    "tests/contract/jobs/test_sklearn_joblib.py::test_a_cluster_without_workers_is_one_sentence",
)
def test_it_waits_for_workers_and_then_uses_each(nodes: Nodes, tmp_path: Path) -> None:
    nodes.resize(0)
    log = tmp_path / "log"
    env = {"RAY_ADDRESS": nodes.address}
    with started(SCRIPT, "--smoke-test", "--compare", env=env, log=log) as process:
        wait_for_line(log, "waiting for workers: 0 of 2 CPUs", process)
        nodes.ask("add")
        wait_for_line(log, "waiting for workers: 1 of 2 CPUs", process)
        nodes.ask("add")
        code = process.wait(240)
    text = log.read_text()
    assert code == 0, text
    found = result(text)
    assert {(node["node"], node["pool"]) for node in found["nodes"]} == nodes.used
    assert sum(node["tasks"] for node in found["nodes"]) <= 40
    assert found["seconds"]["alone"] > 0
    assert found["speed_up"] > 0


@pytest.mark.ray
def test_it_outlives_a_worker_node(nodes: Nodes, tmp_path: Path, later: float) -> None:
    log = tmp_path / "log"
    env = {"RAY_ADDRESS": nodes.address}
    with started(SCRIPT, "--n-iter", "16", "--no-compare", env=env, log=log) as process:
        wait_for_line(log, "Done  14 tasks", process)
        killed, left = nodes.kill(later), nodes.workers[0]
        code = process.wait(300)
    text = log.read_text()
    assert code == 0, text
    found = result(text)
    tasks = {node["node"]: node["tasks"] for node in found["nodes"]}
    assert tasks[left] > tasks.get(killed, 0)
    assert {name: found["metrics"][name] for name in BEST} == BEST
