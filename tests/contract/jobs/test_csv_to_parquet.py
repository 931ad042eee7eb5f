"""CSV to parquet: the types from the schema file, and each row once, even if the job runs twice."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pyarrow.csv
import pyarrow.parquet
import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, result, started

SCRIPT = ROOT / "jobs" / "csv_to_parquet.py"
LINE = "1,2015-01-04,1.5,10,1,2,3,4,1,2,1,2015,Albany,0"


def written(folder: Path, job: ModuleType, files: int = 8, without: str = "") -> str:
    row = dict(zip(job.json.loads(job.TYPES.read_text()), LINE.split(","), strict=True))
    row.pop(without, None)
    folder.mkdir(exist_ok=True)
    for file in range(files):
        (folder / f"part-{file}.csv").write_text(",".join(row) + "\n" + (",".join(row.values()) + "\n") * 50)
    return str(folder)


def checked(job: ModuleType, *words: str) -> str:
    types = job.json.loads(job.TYPES.read_text()).items()
    schema = job.pa.schema([(name, job.pa.type_for_alias(kind)) for name, kind in types])
    with pytest.raises(SystemExit) as raised:
        job.check(job.parse_args(list(words)), schema)
    return str(raised.value.code)


def test_an_output_that_cannot_be_written_is_one_sentence(job: ModuleType, tmp_path: Path) -> None:
    csv = written(tmp_path / "csv", job)
    told = checked(job, "--csv", csv, "--parquet", "/proc/none")
    assert told.startswith("--parquet /proc/none can't be written: [Errno ")


def test_no_csv_is_one_sentence(job: ModuleType, tmp_path: Path) -> None:
    told = checked(job, "--csv", f"{tmp_path}/none", "--parquet", f"{tmp_path}/out")
    assert told == f"--csv {tmp_path}/none has no CSV files; first run: python submit.py jobs/make_data.py"


def test_a_column_that_is_missing_is_one_sentence(job: ModuleType, tmp_path: Path) -> None:
    csv = written(tmp_path / "csv", job, without="region")
    told = checked(job, "--csv", csv, "--parquet", f"{tmp_path}/out")
    assert told == f"--csv {csv} lacks columns that avocado_schema.json defines: region."


def test_a_cluster_without_workers_is_one_sentence(
    job: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"memory": 1.0})
    told = checked(job, "--csv", written(tmp_path / "csv", job), "--parquet", f"{tmp_path}/out")
    assert told == "No workers: the cluster has no CPU. Start workers, then resubmit the job."


@pytest.mark.ray
def test_it_uses_each_worker_and_a_second_run_doubles_nothing(
    job: ModuleType, nodes: Nodes, tmp_path: Path
) -> None:
    csv, out = written(tmp_path / "csv", job), tmp_path / "out"
    out.mkdir()
    (out / "part-8.parquet").write_bytes(b"of a run with more files")
    for run in ("first", "second, on one worker"):
        if run != "first":
            nodes.ask("kill")
        log = tmp_path / "log"
        words = ("--csv", csv, "--parquet", str(out), "--compare")
        with started(SCRIPT, *words, env={"RAY_ADDRESS": nodes.address}, log=log) as process:
            code = process.wait(600)
        assert code == 0, log.read_text()
        found = result(log.read_text())
        assert found["metrics"]["rows"] == 400
        assert {node["pool"] for node in found["nodes"]} == {"cpu-worker"}
        assert found["speed_up"] == pytest.approx(found["seconds"]["alone"] / found["seconds"]["ray"])
        assert sorted(path.name for path in out.iterdir()) == [f"part-{n}.parquet" for n in range(8)]
    assert str(pyarrow.parquet.read_schema(out / "part-0.parquet").field("date").type) == "date32[day]"
