"""Every job script, through submit.py, on every kind of cluster: a short run each, in an order that feeds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT, environment, submit
from tests.conftest import Lab

# make_data writes what three others read, training what batch_predict reads.
PIPELINE = ("make_data", "csv_to_parquet", "train_xgboost", "batch_predict")
OTHERS = tuple(sorted(path.stem for path in (ROOT / "jobs").glob("*.py") if path.stem not in PIPELINE))
ARGUMENTS: dict[str, list[str]] = {"whoami": []}
COMPARED = {"make_data": False, "gpu_tasks": False, "whoami": False}


@pytest.mark.ray
@pytest.mark.parametrize("job", [*OTHERS, *PIPELINE])
def test_it_runs_on_the_workers(lab: Lab, job: str, tmp_path: Path) -> None:
    compare = ["--compare"] if COMPARED.get(job, True) else []
    arguments = ["--", *ARGUMENTS.get(job, ["--smoke-test"]), *compare]
    written = tmp_path / "result.json"
    env = environment(**lab.reach)
    done = submit("--result", written, ROOT / "jobs" / f"{job}.py", *arguments, env=env, timeout=300)
    assert done.code == 0, done.out + done.err
    result: dict[str, Any] = json.loads(written.read_text())
    assert (result["version"], result["job"]) == (1, job)
    workers = [node for node in result["nodes"] if node["pool"] != "head" or job == "whoami"]
    assert workers == result["nodes"], "the head computes nothing"
    assert workers
    if compare:
        assert result["speed_up"] > 0
