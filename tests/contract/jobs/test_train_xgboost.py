"""Training with Ray Train: a floor that can fail, and an identical model after a worker is killed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, result, started, wait_for_line

SCRIPT = ROOT / "jobs" / "train_xgboost.py"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--data", "/no/such"],
            "--data /no/such contains no parquet files; first run: python submit.py jobs/make_data.py",
        ),
        (
            ["--label", "kind"],
            "--label kind is not a numeric column. The numeric columns are id, average_price, total_volume, type.",
        ),
        (["--workers", "9"], "--workers 9: DATA has only 8 row groups to distribute."),
        (["--workers", "3"], "--workers 3: the cluster has 2 CPU. Use fewer workers, or add some to the cluster."),
        (["--use-gpu"], "--workers 2: the cluster has 0 GPU. Use fewer workers, or add some to the cluster."),
    ],
)  # fmt: skip
def test_wrong_input_is_one_sentence(
    job: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(job, "PATIENCE", 0)
    job.make_small_data(str(tmp_path / "data"))
    usual = ["--data", f"{tmp_path}/data", "--storage-path", f"{tmp_path}/models", "--workers", "2"]
    with pytest.raises(SystemExit) as raised:
        job.check(job.parse_args(usual + words))
    assert raised.value.code == told.replace("DATA", f"{tmp_path}/data")


def test_an_output_that_cannot_be_written_is_one_sentence(job: ModuleType) -> None:
    with pytest.raises(SystemExit) as raised:
        job.check(job.parse_args(["--storage-path", "/proc/none"]))
    assert str(raised.value.code).startswith("--storage-path /proc/none can't be written: [Errno ")


def test_workers_share_all_row_groups(job: ModuleType, tmp_path: Path) -> None:
    job.make_small_data(str(tmp_path / "data"))
    config = {"data": f"{tmp_path}/data", "columns": ["average_price", "total_volume", "type"]}
    alone, *shares = [[m.num_row() for m in job.matrices(config, *who)] for who in ((0, 1), (0, 2), (1, 2))]
    assert alone == [sum(rows) for rows in zip(*shares, strict=True)] == [3200, 800]


@pytest.mark.parametrize(
    ("words", "rows", "told"),
    [
        ([], 10_000_000, ""),
        (
            [],
            40_000_000,
            "40,000,000 rows are too many: a worker needs 3.9 GiB, but has 2.8 GiB. "
            "Use more workers than 2, or workers with more memory, or fewer rows.",
        ),
        (
            ["--compare"],
            20_000_000,
            "20,000,000 rows are too many: a worker needs 3.9 GiB, but has 2.8 GiB. "
            "Omit --compare, or use workers with more memory, or fewer rows.",
        ),
    ],
)
def test_rows_that_do_not_fit_are_one_sentence(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, words: list[str], rows: int, told: str
) -> None:
    sizes = [{"memory": 1e9}, {"CPU": 1, "memory": 2.8 * 2**30}, {"CPU": 1, "memory": 4 * 2**30}]
    monkeypatch.setattr(job.ray, "nodes", lambda: [{"Alive": True, "Resources": size} for size in sizes])
    args = job.parse_args([*words, "--workers", "2"])
    if told:
        with pytest.raises(SystemExit) as raised:
            job.check_memory(args, rows, 13, "CPU")
        assert raised.value.code == told
    else:
        job.check_memory(args, rows, 13, "CPU")


@pytest.mark.parametrize(
    ("why", "known"), [("node running low on memory", True), ("division by zero", False)]
)
def test_a_worker_out_of_memory_is_one_sentence(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, why: str, known: bool
) -> None:
    def fit() -> None:
        raise job.TrainingFailedError(why, {})

    monkeypatch.setattr(job.ray, "init", lambda: None)
    monkeypatch.setattr(job, "ALONE", False)
    monkeypatch.setattr(job, "check", lambda args: (["x", "label"], 0.95, 10))
    monkeypatch.setattr(job, "XGBoostTrainer", lambda *given, **more: SimpleNamespace(fit=fit))
    told = "10 rows are too many: a worker died, probably because it ran out of memory. .*"
    with pytest.raises(SystemExit if known else job.TrainingFailedError, match=told if known else why):
        job.run(job.parse_args(["--workers", "2"]))


@pytest.mark.parametrize(
    ("simulated", "cuda", "found"), [("1", False, "simulated"), ("", True, "real"), ("", False, "unused")]
)
def test_a_gpu_that_xgboost_cannot_use_is_not_called_real(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    simulated: str, cuda: bool, found: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("RAYDOCK_SIMULATED_GPU", simulated)
    monkeypatch.setattr(job.xgb, "build_info", lambda: {"USE_CUDA": cuda})
    monkeypatch.setattr(job, "use_of_gpu", SimpleNamespace(remote=job.use_of_gpu._function))
    monkeypatch.setattr(job.ray, "get", lambda value: value)
    if found == "unused":
        with pytest.raises(
            SystemExit, match=r"^--use-gpu: XGBoost was built without CUDA, .* omit --use-gpu\.$"
        ):
            job.check_gpu()
    else:
        assert job.check_gpu() == found
        assert capsys.readouterr().out.startswith(f"GPU: {found}")


@pytest.mark.parametrize(
    ("words", "alone", "told"),
    [
        ([], 0.1, r"^held-out accuracy of 0\.9000 is below the floor of 0\.9310$"),
        (["--floor", "0.95"], 0.1, r"^held-out accuracy of 0\.9000 is below the floor of 0\.9500$"),
        (["--compare"], 0.3, r"^with Ray Train, the log loss is 0\.1; without it, it is 0\.3$"),
    ],
)
def test_a_bad_model_fails(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, words: list[str], alone: float, told: str
) -> None:
    scores = iter([{"accuracy": 0.9, "log_loss": 0.1}, {"accuracy": 0.9, "log_loss": alone}])
    trained = SimpleNamespace(best_checkpoints=[], checkpoint=SimpleNamespace(path="/checkpoint"))
    files = SimpleNamespace(copy_file=lambda *paths: None)
    monkeypatch.setattr(job.ray, "init", lambda: None)
    monkeypatch.setattr(job.ray, "get", lambda ref: next(scores))
    monkeypatch.setattr(job, "check", lambda args: (["x", "label"], 0.95, 10))
    monkeypatch.setattr(job, "ALONE", False)
    monkeypatch.setattr(job, "XGBoostTrainer", lambda *given, **more: SimpleNamespace(fit=lambda: trained))
    filesystem = SimpleNamespace(from_uri=lambda uri: (files, uri))
    monkeypatch.setattr(job, "fs", SimpleNamespace(FileSystem=filesystem))
    monkeypatch.setattr(job, "score", SimpleNamespace(remote=lambda *given: None))
    with pytest.raises(RuntimeError, match=told):
        job.run(job.parse_args(words))


@pytest.mark.ray
@pytest.mark.nightly(
    "tests/contract/test_lessons.py::test_it_runs_on_the_workers[docker-train_xgboost]",
    "tests/contract/jobs/test_sklearn_joblib.py::test_it_outlives_a_worker_node[0.0s]",
    "tests/contract/jobs/test_tune_forest.py::test_a_run_that_was_ended_goes_on_and_repeats_no_trial[SIGINT]",
)
def test_with_a_worker_killed_the_model_is_the_same(
    job: ModuleType, nodes: Nodes, tmp_path: Path, later: float
) -> None:
    job.make_small_data(str(tmp_path / "data"))
    models = {}
    for run in ("undisturbed", "killed"):
        log, storage = tmp_path / "log", tmp_path / run
        words = (
            "--data",
            f"{tmp_path}/data",
            "--storage-path",
            str(storage),
            "--rounds",
            "100",
            "--floor",
            "0.9",
        )
        with started(SCRIPT, *words, "--compare", env={"RAY_ADDRESS": nodes.address}, log=log) as process:
            if run == "killed":
                wait_for_line(log, "round 3:", process)
                nodes.kill(later)
                nodes.ask("add")
            code = process.wait(200)
        text = log.read_text()
        assert code == 0, text
        found = result(text)
        assert found["metrics"]["attempts"] == (1 if run == "undisturbed" else 2), text
        assert [x for x, _ in found["curves"][0]["lines"]["held out"]] == list(range(1, 101))
        assert {node["pool"] for node in found["nodes"]} == {"cpu-worker"}
        model = job.xgb.Booster(model_file=storage / "model.ubj")
        assert model.num_boosted_rounds() == 100
        models[run] = ((storage / "model.ubj").read_bytes(), found["metrics"]["log_loss"])
    assert models["killed"] == models["undisturbed"]


@pytest.mark.ray
@pytest.mark.nightly(
    "tests/contract/test_lessons.py::test_it_runs_on_the_workers[docker-train_xgboost]",
    "tests/contract/jobs/test_train_xgboost.py::test_a_bad_model_fails",
)
def test_a_model_under_its_floor_fails(nodes: Nodes, job: ModuleType, tmp_path: Path) -> None:
    job.make_small_data(str(tmp_path / "data"))
    log = tmp_path / "log"
    words = ("--data", f"{tmp_path}/data", "--storage-path", f"{tmp_path}/models", "--floor", "0.999")
    with started(SCRIPT, *words, "--smoke-test", env={"RAY_ADDRESS": nodes.address}, log=log) as process:
        code = process.wait(600)
    assert code == 1
    assert "is below the floor of 0.9990" in log.read_text()
