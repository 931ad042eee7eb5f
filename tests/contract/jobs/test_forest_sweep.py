"""The forest sweep: the seed's sizes, a floor that can fail, the same MSEs with a node killed."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, result, started, wait_for_line

SCRIPT = ROOT / "jobs" / "forest_sweep.py"


def test_the_data_is_of_the_shape_of_the_seed(job: ModuleType) -> None:
    assert [array.shape for array in job.load("synthetic", "")] == [(16512, 8), (4128, 8), (16512,), (4128,)]


def test_the_best_possible_r2_is_that_of_the_function_without_its_noise(job: ModuleType) -> None:
    X, y = job.load("synthetic", "")[1::2]
    known = 2 * (X[:, 0] > 0.5) + job.np.sin(2 * job.np.pi * X[:, 1]) + X[:, 2]
    assert 1 - ((y - known) ** 2).mean() / y.var() == pytest.approx(job.POSSIBLE, rel=0.005)


def test_real_data_that_cannot_be_had_is_one_sentence(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(return_X_y: bool) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(job, "fetch_california_housing", refused)
    with pytest.raises(SystemExit) as raised:
        job.load("real", "")
    assert raised.value.code == "Could not load California housing (no route to host): use --data synthetic."


def test_a_parquet_file_is_read_with_its_label(job: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(
        pa.table({"a": [1, 2, 3, 4, 5], "MedHouseVal": [1.5, 2, 3, 4, 5], "b": [0] * 5}), file
    )
    X_train, X_test, y_train, y_test = job.load(str(file), "MedHouseVal")
    assert sorted([*y_train, *y_test]) == [1.5, 2, 3, 4, 5]
    assert (X_train.shape, X_test.shape) == ((4, 2), (1, 2))


@pytest.mark.parametrize(
    ("name", "label", "why"),
    [
        ("no.parquet", "a", "FILE"),
        ("x.parquet", "c", "no column 'c'; --label can be a, kind"),
        ("x.parquet", "a", "could not .*'oak'"),
    ],
)
def test_a_parquet_file_that_cannot_be_read_is_one_sentence(
    job: ModuleType, tmp_path: Path, name: str, label: str, why: str
) -> None:
    pyarrow.parquet.write_table(pa.table({"a": [1.0], "kind": ["oak"]}), tmp_path / "x.parquet")
    file = tmp_path / name
    told = f"--data {file} can't be read: {why.replace('FILE', str(file))}"
    with pytest.raises(SystemExit, match=f"^{told}$"):
        job.load(str(file), label)


@pytest.mark.parametrize(
    ("mse", "words", "told"),
    [
        (0.2, [], r"^the best forest's R² of 0\.8\d+ is below the floor of 0\.9273$"),
        (0.1, ["--compare"], r"^with Ray, the MSEs are \[0\.1, .*\]; without Ray, they are \[0\.3\]$"),
    ],
)
def test_a_bad_sweep_fails(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, mse: float, words: list[str], told: str
) -> None:
    monkeypatch.setattr(job.ray, "init", lambda: None)
    monkeypatch.setattr(job.ray, "get", lambda ref: ref)
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(job, "sweep_with_ray", lambda data, sizes: [{"trees": n, "mse": mse} for n in sizes])
    monkeypatch.setattr(job, "sweep_alone", SimpleNamespace(remote=lambda *given: ([0.3], 1.0)))
    with pytest.raises(RuntimeError, match=told):
        job.run(job.parse_args(words))


@pytest.mark.ray
@pytest.mark.nightly("tests/contract/test_lessons.py::test_it_runs_on_the_workers[docker-forest_sweep]")
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


@pytest.mark.ray
@pytest.mark.nightly("tests/contract/jobs/test_sklearn_joblib.py::test_it_outlives_a_worker_node[0.0s]")
def test_it_outlives_a_worker_node(job: ModuleType, nodes: Nodes, tmp_path: Path, later: float) -> None:
    log = tmp_path / "log"
    with started(SCRIPT, "--forests", "6", env={"RAY_ADDRESS": nodes.address}, log=log) as process:
        wait_for_line(log, "trees: MSE", process)
        nodes.kill(later)
        code = process.wait(300)
    text = log.read_text()
    assert code == 0, text
    data = job.load("synthetic", "")
    undisturbed = [job.mse_of_forest(*data, task["trees"]) for task in result(text)["tasks"]]
    assert [task["mse"] for task in result(text)["tasks"]] == undisturbed
