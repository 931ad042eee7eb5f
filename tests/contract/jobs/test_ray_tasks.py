"""Tasks and chunks: pi is correct, the overhead of a task is visible, every worker is used."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, result, started

SCRIPT = ROOT / "jobs" / "ray_tasks.py"


def test_newton_gives_the_root(job: ModuleType) -> None:
    numbers = job.np.array([0.0, 0.6, 1 - 1e-12])
    assert job.heights(numbers) == pytest.approx(4 * job.np.sqrt(1 - numbers**2).sum())


@pytest.mark.parametrize(
    ("height", "words", "told"),
    [
        (3.0, [], r"^pi from the random numbers is 3\.00000, which is more than 2% off$"),
        (
            3.14,
            ["--compare"],
            r"^with Ray, the chunks sum to \[62800\.0\]; without Ray, they sum to \[1\.0\]$",
        ),
    ],
)
def test_a_wrong_answer_fails(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, height: float, words: list[str], told: str
) -> None:
    monkeypatch.setattr(job.ray, "init", lambda: None)
    monkeypatch.setattr(job.ray, "get", lambda ref: ref)
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(job, "start_processes", lambda: None)
    monkeypatch.setattr(job, "cost_of_a_task", lambda count: ({}, []))
    monkeypatch.setattr(job, "map_with_ray", lambda *given: ([height * 20_000], [], 1.0))
    monkeypatch.setattr(job, "alone", SimpleNamespace(remote=lambda *given: ([1.0], 1.0)))
    with pytest.raises(RuntimeError, match=told):
        job.run(job.parse_args(["--numbers", "20000", *words]))


@pytest.mark.ray
@pytest.mark.nightly(
    "tests/contract/test_lessons.py::test_it_runs_on_the_workers[docker-ray_tasks]",
)
def test_it_uses_each_worker_and_agrees_with_the_run_without_ray(nodes: Nodes, tmp_path: Path) -> None:
    log, output = tmp_path / "log", tmp_path / "result.json"
    words = ("--smoke-test", "--compare", "--output", str(output))
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
    rates = found["metrics"]["squares_per_second"]  # per number and per chunk: too close on a busy machine
    assert min(rates.values()) > 0
    assert max(rates["task_per_number"], rates["task_per_chunk"]) < rates["loop"], "by a thousand times"
