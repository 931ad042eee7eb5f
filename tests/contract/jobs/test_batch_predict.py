"""Batch predictions: equal to those of plain XGBoost, one per row, also on a single CPU."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, result, started

SCRIPT = ROOT / "jobs" / "batch_predict.py"
ROWS = 2_000  # per file


def given(job: ModuleType, folder: Path) -> dict[str, str]:
    """The job's arguments: 8 files of ROWS rows, and a model trained on them."""
    random = np.random.default_rng(1)
    (folder / "data").mkdir()
    X = random.random((8 * ROWS, 2))
    for file in range(8):
        rows = slice(ROWS * file, ROWS * (file + 1))
        columns = {"id": np.arange(8 * ROWS)[rows], "a": X[rows, 0], "b": X[rows, 1]}
        pa.parquet.write_table(pa.table(columns), folder / "data" / f"part-{file}.parquet")
    data = job.xgb.DMatrix(X, X[:, 0] > 0.5, feature_names=["a", "b"])
    job.xgb.train({"objective": "binary:logistic"}, data, 2).save_model(folder / "model.ubj")
    return {
        "--data": f"{folder}/data", "--model": f"{folder}/model.ubj", "--predictions": f"{folder}/out"
    }  # fmt: skip


def words(given: dict[str, str]) -> list[str]:
    return [word for pair in given.items() for word in pair]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"--data": "/no/such"},
            "--data /no/such contains no parquet files; first run: python submit.py jobs/make_data.py",
        ),
        ({"--id": "key"}, "--data DATA lacks columns for the model or --id: key."),
        (
            {"--model": "/no/model.ubj"},
            "--model /no/model.ubj can't be read (to create it: python submit.py jobs/train_xgboost.py): "
            "[Errno 2] Failed to open local file '/no/model.ubj'. Detail: [errno 2] No such file or directory",
        ),
        ({}, "No workers: the cluster has no CPU. Start workers, then resubmit the job."),
    ],
)
def test_wrong_input_is_one_sentence(
    job: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], told: str
) -> None:
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"memory": 1.0})
    with pytest.raises(SystemExit) as raised:
        job.check(job.parse_args(words(given(job, tmp_path) | changed)))
    assert raised.value.code == told.replace("DATA", f"{tmp_path}/data")


def test_an_output_that_cannot_be_written_is_one_sentence(job: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as raised:
        job.check(job.parse_args(words(given(job, tmp_path) | {"--predictions": "/proc/none"})))
    assert str(raised.value.code).startswith("--predictions /proc/none can't be written: [Errno ")


@pytest.mark.ray
@pytest.mark.nightly(
    "tests/contract/test_lessons.py::test_it_runs_on_the_workers[docker-batch_predict]",
    "tests/contract/jobs/test_csv_to_parquet.py::test_it_uses_each_worker_and_a_second_run_doubles_nothing",
)
def test_it_agrees_with_plain_xgboost_and_a_second_run_doubles_nothing(
    job: ModuleType, nodes: Nodes, tmp_path: Path
) -> None:
    arguments = given(job, tmp_path)
    for workers in (2, 1):
        if workers == 1:
            nodes.ask("remove")
        log = tmp_path / "log"
        with started(
            SCRIPT, *words(arguments), "--compare", env={"RAY_ADDRESS": nodes.address}, log=log
        ) as process:
            code = process.wait(200)
        assert code == 0, log.read_text()
        found = result(log.read_text())
        assert {node["pool"] for node in found["nodes"]} == {"cpu-worker"}
        # Ray Data gives a batch to the actor with the least work, so the first may do all of so little work.
        assert 1 <= len(found["nodes"]) <= found["cpus"] == workers
        rows = pa.parquet.read_table(arguments["--predictions"]).sort_by("id")
        assert rows["id"].to_pylist() == list(range(8 * ROWS))
        model = job.xgb.Booster(model_file=arguments["--model"])
        X = pa.parquet.read_table(arguments["--data"]).sort_by("id").select(["a", "b"]).to_pandas()
        assert np.array_equal(rows["prediction"].to_numpy(), model.predict(job.xgb.DMatrix(X)))
