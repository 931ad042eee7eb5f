"""The grid of forests: the known answer, invalid input, a dead worker, a resumed run, and memory use."""

from __future__ import annotations

import csv
import itertools
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, result, started, wait_for_line

SCRIPT = ROOT / "jobs" / "tune_forest.py"
HERE = "tests/contract/jobs/test_tune_forest.py"
RESUMED = f"{HERE}::test_a_run_that_was_ended_goes_on_and_repeats_no_trial[SIGINT]"
KILLED = "tests/contract/jobs/test_sklearn_joblib.py::test_it_outlives_a_worker_node[0.0s]"
GRID = ("--rows", "3000", "--depths", "5", "10", "--trees", "30", "60", "--alphas", "0")


def grid(nodes: Nodes, folder: Path, *words: str) -> dict[str, Any]:
    """The result of a run that must succeed."""
    log = folder / "log"
    words = (*words, "--storage-path", str(folder / "stored"))
    with started(SCRIPT, *words, env={"RAY_ADDRESS": nodes.address}, log=log) as process:
        code = process.wait(240)
    assert code == 0, log.read_text()
    return result(log.read_text())


def table(found: dict[str, Any]) -> list[dict[str, str]]:
    with Path(found["metrics"]["written_to"], "trials.csv").open() as file:
        return list(csv.DictReader(file))


def answers(found: dict[str, Any]) -> dict[tuple[str, ...], float]:
    """The accuracy of each configuration."""
    keys = ("max_depth", "n_estimators", "ccp_alpha")
    return {tuple(row[key] for key in keys): float(row["accuracy"]) for row in table(found)}


def best_written(found: dict[str, Any]) -> dict[str, Any]:
    """The best configuration as the job wrote it, next to its plot."""
    folder = Path(found["metrics"]["written_to"])
    assert "</svg>" in (folder / "trials.svg").read_text()
    best: dict[str, Any] = json.loads((folder / "best.json").read_text())
    return best


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "waited 120 s in vain"
        time.sleep(0.05)


def undisturbed(job: ModuleType, found: dict[str, Any]) -> dict[tuple[str, ...], float]:
    """The same without Ray."""
    X, y, _ = job.load("synthetic", "", 3000)
    folds = list(job.FOLDS.split(X, y))
    scores: dict[tuple[str, ...], float] = {}
    for depth, trees, alpha in answers(found):
        config = {"max_depth": int(depth), "n_estimators": int(trees), "ccp_alpha": float(alpha)}
        scores[depth, trees, alpha] = float(
            job.np.mean([job.accuracy_of_fold(X, y, *fold, config) for fold in folds])
        )
    return scores


def test_it_is_the_grid_of_the_seed(job: ModuleType) -> None:
    args = job.parse_args([])
    assert (args.depths, args.trees, args.alphas) == ([5, 10, 20], [75, 100, 125], [0, 0.001, 0.01])


def test_the_data_is_of_the_shape_of_covertype_and_its_answer_is_known(job: ModuleType) -> None:
    X, y, about = job.load("synthetic", "", 50_000)
    assert (X.shape, X.dtype, X.flags.c_contiguous, y.shape) == ((50_000, 54), "float32", True, (50_000,))
    assert set(X[:, 10:].ravel()) == {0, 1}
    assert ((X[:, :6] > 0.5).sum(axis=1) == y).mean() == pytest.approx(job.POSSIBLE, abs=0.005)
    assert about == "synthetic, 50000 x 54, 7 classes"


def test_parquet_is_read_with_its_label(job: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    columns = {"a": [1.5, 2.5, 3.5], "kind": ["oak", "fir", "oak"], "b": [4, 5, 6]}
    pyarrow.parquet.write_table(pa.table(columns), file)
    X, y, about = job.load(str(file), "kind", 100)
    assert X.tolist() == [[1.5, 4], [2.5, 5], [3.5, 6]]
    assert y.tolist() == [1, 0, 1]
    assert about == f"{file}, 3 x 2, 2 classes"
    assert job.load(str(file), "kind", 2)[0].shape == (2, 2)
    with pytest.raises(ValueError, match=r"^no column 'x'; --label can be a, kind, b$"):
        job.load(str(file), "x", 100)


@pytest.mark.parametrize(
    ("path", "why"),
    [("/proc/no", r"\[Errno 2\] .*"), ("relative/path", ".*"), ("ftp://x/y", r"Unrecognized filesystem .*")],
)
def test_a_storage_path_that_cannot_be_written_is_one_sentence(job: ModuleType, path: str, why: str) -> None:
    with pytest.raises(SystemExit, match=rf"^--storage-path {path} can't be written: {why}$"):
        job.writer_to(path, "grid")


@pytest.fixture
def trial(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trial in this process. Its folds score 0.5, 0.6 and 0.7 and take 3 s each."""
    clock, scores = itertools.count(step=3), iter([0.5, 0.6, 0.7])
    split = SimpleNamespace(split=lambda X, y: [("train", "test")] * 3, n_splits=3)
    monkeypatch.setattr(job, "FOLDS", split)
    monkeypatch.setattr(job, "accuracy_of_fold", lambda *given: next(scores))
    monkeypatch.setattr(job.time, "time", lambda: next(clock))
    monkeypatch.setattr(job.ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: "n"))
    monkeypatch.setattr(job.ray, "get", lambda refs: refs)
    made = job.Trial.__new__(job.Trial)
    made.setup({}, None, ["X", "y"])
    return made


def test_a_long_trial_saves_its_folds(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, trial: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(job, "WORTH_SAVING", 2)
    steps = [trial.step(), trial.step()]
    trial.save_checkpoint(str(tmp_path))
    assert json.loads((tmp_path / "scores.json").read_text()) == [0.5, 0.6]
    steps.append(trial.step())
    assert [one["should_checkpoint"] for one in steps] == [True, True, False]
    assert [one["done"] for one in steps] == [False, False, True]
    assert {one["start"] for one in steps} == {0}
    assert steps[-1]["accuracy"] == pytest.approx(0.6)


def test_a_short_trial_is_a_single_step(job: ModuleType, monkeypatch: pytest.MonkeyPatch, trial: Any) -> None:
    monkeypatch.setattr(job, "WORTH_SAVING", 100)
    result = trial.step()
    assert (result["done"], result["should_checkpoint"]) == (True, False)
    assert trial.reset_config({"max_depth": 5})
    assert (trial.config, trial.scores, trial.start) == ({"max_depth": 5}, [], None)


def test_an_interrupted_trial_continues_from_its_checkpoint(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, trial: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(job, "WORTH_SAVING", 100)
    (tmp_path / "scores.json").write_text("[0.9, 0.8]")
    trial.load_checkpoint(str(tmp_path))
    assert trial.step()["accuracy"] == pytest.approx((0.9 + 0.8 + 0.5) / 3)


def test_a_free_actor_goes_to_the_last_trial(job: ModuleType) -> None:
    """For the first one, an actor may be starting on another worker."""
    statuses = ["TERMINATED", "RUNNING", "PENDING", "PENDING", "RUNNING"]
    queue = [SimpleNamespace(status=status) for status in statuses]
    scheduler = job.LastInLine()
    assert scheduler.choose_trial_to_run(SimpleNamespace(get_trials=lambda: queue)) is queue[3]
    assert scheduler.choose_trial_to_run(SimpleNamespace(get_trials=lambda: queue[:2])) is None


def trials(accuracy: float, errors: list[Exception], done: bool = True) -> Any:
    config = {"max_depth": 20, "n_estimators": 75, "ccp_alpha": 0}
    metrics = {
        "accuracy": accuracy,
        "node": "n",
        "start": 1.0,
        "end": 2.0,
        "peak_mib": 1.0,
        "private_mib": 1.0,
    }

    class Results(list[Any]):
        num_errors = len(errors)

    found = Results([SimpleNamespace(config=config, metrics=metrics | {"done": done})])
    found.errors = errors  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize(
    ("results", "words", "error", "told"),
    [
        (trials(0.8, []), [], RuntimeError, r"the best accuracy of 0\.8000 is below the floor of 0\.8820"),
        (
            trials(0.89, []),
            ["--compare"],
            RuntimeError,
            r"with Ray, the accuracies are \[0\.89\]; without Ray, they are \[0\.3\]",
        ),
        (trials(0.89, [MemoryError()]), [], RuntimeError, "1 of 1 trials failed"),
        (
            trials(0.89, [], done=False),
            [],
            SystemExit,
            r"Stopped after 0 of 1 trials: continue with --resume\.",
        ),
    ],
)
def test_a_bad_grid_fails(
    job: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    results: Any,
    words: list[str],
    error: type[BaseException],
    told: str,
) -> None:
    made = SimpleNamespace(remote=lambda *given: ("X", "y", "data"))
    monkeypatch.setattr(job.ray, "init", lambda **settings: None)
    monkeypatch.setattr(job.ray, "get", lambda ref: ref)
    monkeypatch.setattr(job.ray, "remote", lambda **settings: lambda function: made)
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(job, "grid_with_ray", lambda *given: results)
    monkeypatch.setattr(job, "start_process", made)
    monkeypatch.setattr(job, "grid_alone", SimpleNamespace(remote=lambda *given: ([0.3], 1.0)))
    with pytest.raises(error, match=f"^{told}$"):
        job.run(job.parse_args([*words, "--storage-path", str(tmp_path)]))


@pytest.mark.ray
@pytest.mark.nightly(RESUMED)
def test_it_uses_each_worker_and_agrees_with_the_run_without_ray(nodes: Nodes, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    found = grid(nodes, tmp_path, "--smoke-test", "--compare", "--output", str(output))
    assert json.loads(output.read_text()) == found
    assert {(node["node"], node["pool"]) for node in found["nodes"]} == nodes.used
    assert found["cpus"] == 2
    assert found["speed_up"] == pytest.approx(found["seconds"]["alone"] / found["seconds"]["ray"])
    assert found["metrics"]["best_accuracy"] >= found["metrics"]["floor"] == pytest.approx(0.882)
    assert found["metrics"]["resumed_trials"] == 0
    assert len(found["tasks"]) == len(answers(found)) == 4
    assert best_written(found)["max_depth"] == 20


@pytest.mark.ray
@pytest.mark.nightly(
    "tests/contract/jobs/test_tune_forest.py::test_parquet_is_read_with_its_label",
    "tests/contract/jobs/test_tune_forest.py::test_a_storage_path_that_cannot_be_written_is_one_sentence",
)
def test_wrong_data_and_storage_are_one_sentence_each(nodes: Nodes, tmp_path: Path) -> None:
    file, log = tmp_path / "x.parquet", tmp_path / "log"
    pyarrow.parquet.write_table(pa.table({"a": [1.0] * 9, "b": [0, 1, 2] * 3}), file)
    stored = ("--storage-path", str(tmp_path / "stored"))
    for words, told in [
        (
            ("--data", "/no/such.parquet", *stored),
            "--data /no/such.parquet can't be read: FileNotFoundError: ",
        ),
        (
            ("--data", str(file), "--label", "c", *stored),
            f"--data {file} can't be read: ValueError: no column 'c'; --label can be a, b",
        ),
    ]:
        with started(SCRIPT, *words, env={"RAY_ADDRESS": nodes.address}, log=log) as process:
            code = process.wait(600)
        text = log.read_text()
        assert code == 1, text
        assert "Traceback" not in text
        assert text.splitlines()[-1].startswith(told)


@pytest.mark.ray
@pytest.mark.nightly(f"{HERE}::test_a_run_that_was_ended_goes_on_and_repeats_no_trial[SIGINT]", KILLED)
def test_it_outlives_a_worker_node(job: ModuleType, nodes: Nodes, tmp_path: Path, later: float) -> None:
    log, words = tmp_path / "log", (*GRID, "--storage-path", str(tmp_path / "stored"))
    with started(SCRIPT, *words, env={"RAY_ADDRESS": nodes.address}, log=log) as process:
        wait_for_line(log, "trial 1 of 4", process)
        nodes.kill(later)
        code = process.wait(240)
    text = log.read_text()
    assert code == 0, text
    found = result(text)
    assert len(found["tasks"]) == 4
    assert answers(found) == undisturbed(job, found)


@pytest.mark.ray
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, id="SIGINT"),
        pytest.param(signal.SIGKILL, id="SIGKILL", marks=pytest.mark.nightly(RESUMED)),
    ],
)
def test_a_run_that_was_ended_goes_on_and_repeats_no_trial(
    job: ModuleType, nodes: Nodes, tmp_path: Path, how: signal.Signals
) -> None:
    log, stored = tmp_path / "log", tmp_path / "stored"
    words = (*GRID, "--resume", "--storage-path", str(stored))  # nothing to resume: starts a new run
    with started(SCRIPT, *words, env={"RAY_ADDRESS": nodes.address}, log=log) as process:
        wait_for_line(log, "trial 2 of 4", process)
        if how == signal.SIGKILL:  # only what Tune has saved is known, at most a second late
            wait_until(
                lambda: any("TERMINATED" in one.read_text() for one in stored.rglob("experiment_state-*"))
            )
        process.send_signal(how)
        assert process.wait(600) != 0
    if how == signal.SIGINT:
        assert log.read_text().splitlines()[-1].endswith(" of 4 trials: continue with --resume.")
    found = grid(nodes, tmp_path, *GRID, "--resume")
    assert found["metrics"]["resumed_trials"] >= (2 if how == signal.SIGINT else 1)
    assert len(found["tasks"]) == 4 - found["metrics"]["resumed_trials"]
    best = best_written(found)
    key = tuple(str(best[name]) for name in ("max_depth", "n_estimators", "ccp_alpha"))
    assert answers(found)[key] == max(answers(found).values())
    assert answers(found) == undisturbed(job, found)


@pytest.mark.ray
@pytest.mark.nightly(RESUMED)
def test_a_naive_trial_holds_the_data_and_another_does_not(nodes: Nodes, tmp_path: Path) -> None:
    words = ("--rows", "200000", "--depths", "3", "--trees", "1", "2", "--alphas", "0")
    shared, naive = grid(nodes, tmp_path, *words), grid(nodes, tmp_path, *words, "--naive")
    assert answers(shared) == answers(naive)
    data = 200_000 * 54 * 4 / 2**20
    more = naive["metrics"]["peak_private_mib"] - shared["metrics"]["peak_private_mib"]
    assert more > 0.8 * data
