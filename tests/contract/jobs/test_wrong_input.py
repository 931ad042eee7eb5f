"""Arguments that a job script refuses before it starts Ray, and a cluster without workers: one sentence each."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.contract.jobs.running import JOBS, ROOT

UNWRITABLE = ("/no/such/folder/x", "/", "gs://bucket/result.json")
AT_LEAST = "--replicas, --rows and --rounds must be at least 1, --requests 10 per replica"
WRONG = [
    ("forest_sweep", "--forests 2", "--forests 2: must be at least 3, so that one of them is large enough"),
    ("gpu_tasks", "--tasks -1", "--tasks -1 --seconds 2.0: must be positive; at most 600 seconds"),
    ("gpu_tasks", "--seconds nan", "--tasks 0 --seconds nan: must be positive; at most 600 seconds"),
    ("kfold_cv", "--models 0", "--models 0: must be at least 1"),
    ("make_data", "--rows 7", "--rows 7: must be at least 8, one per file"),
    ("ray_tasks", "--numbers 19999", "--numbers 19999: with fewer than 20000, pi may be 2% off by chance"),
    ("serve_model", "--replicas 0", AT_LEAST),
    ("serve_model", "--replicas 2 --requests 19", AT_LEAST),
    (
        "serve_model",
        "--replicas 2 --clients 1",
        "--clients 1: must be at least one per replica, and at most 64",
    ),
    ("serve_model", "--clients 65", "--clients 65: "),
    ("sklearn_joblib", "--n-iter 7", "--n-iter 7: with fewer than 8 candidates, none may be good"),
    ("tune_forest", "--rows 20", "--rows 20: must be at least 100, so that each fold contains every class"),
]


def refused(job: ModuleType, capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    """The last line of the usage error."""
    with pytest.raises(SystemExit) as raised:
        job.parse_args(words)
    assert raised.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("script", JOBS, ids=lambda path: path.stem)
@pytest.mark.parametrize("output", UNWRITABLE)
def test_an_output_that_cannot_be_written(
    job: ModuleType, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    told = refused(job, capsys, ["--output", output])
    assert told.endswith(f"error: --output {Path(output)}: not writable on the machine that runs the job")


@pytest.mark.parametrize(
    ("script", "words", "told"), [(ROOT / "jobs" / f"{name}.py", words, told) for name, words, told in WRONG]
)
def test_wrong_numbers(job: ModuleType, capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    assert f"error: {told}" in refused(job, capsys, words.split())


@pytest.mark.parametrize(
    "script",
    [path for path in JOBS if path.stem in {"forest_sweep", "kfold_cv", "ray_tasks", "tune_forest"}],
    ids=lambda path: path.stem,
)
def test_a_cluster_without_workers(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"memory": 1.0})
    with pytest.raises(SystemExit) as raised:
        job.wait_for_cpus(seconds=0)
    assert raised.value.code == "No worker CPUs after 0 s. Start workers, then resubmit the job."
