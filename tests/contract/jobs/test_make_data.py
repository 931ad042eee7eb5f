"""The data of the bucket lessons: the same bytes on any cluster, a known answer, no duplicate rows."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, result, started

SCRIPT = ROOT / "jobs" / "make_data.py"


def test_the_parts_are_all_rows_once(job: ModuleType) -> None:
    parts = [job.part_of_data(part, 18_249) for part in range(job.PARTS)]
    assert [one for part in parts for one in part["id"].to_pylist()] == list(range(18_249))
    assert {len(part.schema) for part in parts} == {14}
    assert {part.schema.metadata[b"best_accuracy"] for part in parts} == {b"0.95"}


def test_a_folder_that_cannot_be_written_is_one_sentence(job: ModuleType) -> None:
    with pytest.raises(SystemExit) as raised:
        job.claim("--csv", "/proc/none")
    assert str(raised.value.code).startswith("--csv /proc/none can't be written: [Errno ")


def test_rows_of_others_are_found(job: ModuleType, tmp_path: Path) -> None:
    job.parquet.write_table(job.part_of_data(0, 80), tmp_path / "theirs.parquet")
    with pytest.raises(SystemExit) as raised:
        job.check(str(tmp_path), 80)
    told = f"{tmp_path} has 10 rows instead of 80: remove other files from it."
    assert raised.value.code == told


@pytest.mark.ray
def test_one_worker_and_two_write_the_same_bytes(nodes: Nodes, tmp_path: Path) -> None:
    for run in ("two", "again", "one"):
        if run == "one":
            nodes.ask("kill")
        folder, log = tmp_path / run.replace("again", "two"), tmp_path / "log"
        words = ("--smoke-test", "--parquet", str(folder / "parquet"), "--csv", str(folder / "csv"))
        with started(SCRIPT, *words, env={"RAY_ADDRESS": nodes.address}, log=log) as process:
            code = process.wait(600)
        assert code == 0, log.read_text()
        found = result(log.read_text())
        assert found["metrics"]["rows"] == 4000
        assert found["metrics"]["known_answer_accuracy"] == pytest.approx(0.95, abs=0.02)
    files = sorted(path.relative_to(tmp_path / "two") for path in (tmp_path / "two").rglob("part-*"))
    assert len(files) == 16
    assert all(
        (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files
    )
