"""Which saved results a report is about, and which files it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raydock.errors import UsageError
from submit.report import files
from submit.report.selection import select
from submit.results import history

from .records import record


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def ids(*operands: str) -> list[str]:
    return [found.submission_id for found in select(operands).records]


def test_records_load_oldest_first(results: Path) -> None:
    for one in (record("b-2", 2000.0), record("a-1", 1000.0), record("b/3", 3000.0)):
        history.save(one)
    assert json.loads((results / "a-1.json").read_text())["result"]["job"] == "sweep"
    assert ids() == ["a-1", "b-2", "b/3"]
    assert ids("b-2", str(results / "a-1.json"), "b-2") == ["a-1", "b-2"]


def test_a_prefix_selects_all_ids_that_start_with_it() -> None:
    for one in (record("sweep-1"), record("sweep-12"), record("b/3")):
        history.save(one)
    assert ids("b") == ["b/3"]
    assert ids("sweep-12") == ["sweep-12"]
    assert ids("sweep-1") == ["sweep-1"]  # an id, though another one starts with it
    assert ids("swe") == ["sweep-1", "sweep-12"]
    assert [path.name for path in files.write(["swe"], None).paths] == ["report.html", "report.md"]
    assert [path.name for path in files.write(["b"], None).paths] == ["b%2F3.html"]


def test_an_unknown_id() -> None:
    with pytest.raises(UsageError) as raised:
        ids("x")
    assert raised.value.message == (
        "No saved result has an id that starts with 'x'; a job saves a result if it succeeds and prints a RESULT."
    )
    assert raised.value.fix == "python submit.py list"


def test_without_results() -> None:
    with pytest.raises(UsageError) as raised:
        ids()
    assert raised.value.message == "No results yet: each successful job saves one."
    assert raised.value.fix == "python submit.py jobs/sklearn_joblib.py"


def test_a_record_of_a_newer_version(results: Path) -> None:
    results.mkdir()
    (results / "x.json").write_text('{"version": 2, "result": {}}')
    with pytest.raises(UsageError, match=r"/x\.json was saved by a newer version of raydock\.$") as raised:
        select(["x"])
    assert raised.value.fix == f"update this checkout with git pull, or remove the file: rm {results}/x.json"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"/x\.json is not a saved result: .+\.$"),
        ("[]", r"/x\.json is not a saved result: unexpected format\.$"),
        ('{"version": 1, "result": {}}', r"/x\.json is not a saved result: .*missing.*\.$"),
    ],
)
def test_an_unreadable_record_that_is_named(results: Path, content: str, message: str) -> None:
    results.mkdir()
    (results / "x.json").write_text(content)
    for operands in (["x"], []):
        with pytest.raises(UsageError, match=message) as raised:
            select(operands)
        assert raised.value.fix == f"remove it: rm {results}/x.json"


def test_an_unreadable_record_does_not_stop_the_report(results: Path) -> None:
    history.save(record("a-1"))
    (results / "bad.json").write_text("{")
    written = files.write([], None)
    assert written.paths == [Path("report.html"), Path("report.md")]
    assert written.note == "report on 1 result:"
    (fault,) = written.faults
    assert fault.message.startswith(f"{results}/bad.json is not a saved result: ")
    assert f"Left out because they could not be read: {results}/bad.json." in Path("report.html").read_text()


def test_each_job_has_its_own_page(tmp_path: Path) -> None:
    for one in (record("a-1"), record("b/3", job="odd")):
        history.save(one)
    files.write([], Path("out/all.html"))
    overview = Path("out/all.html").read_text()
    assert 'href="all-jobs/b%252F3.html"' in overview
    page = Path("out/all-jobs/b%2F3.html").read_text()
    assert 'href="../all.html"' in page
    written = files.write(["b"], None)
    assert written.paths == [Path("report-jobs/b%2F3.html")]
    assert written.note == "report on b/3:"
    assert "All jobs" not in written.paths[0].read_text()  # there is no report.html to go to
    assert files.write(["b"], tmp_path / "x" / "one.html").paths[0].read_text().startswith("<!doctype html>")


def test_ids_that_no_file_name_can_hold() -> None:
    history.save(record("a-1"))
    path = Path("odd.json")
    for name in ("x" * 5000, "\ud800", "..", "."):
        path.write_text(history.to_json(record(name)))
        (page,) = files.write([str(path)], None).paths
        assert page.is_file()
        assert page.parent == Path("report-jobs")


def test_unwritable_results_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "file"))
    with pytest.raises(
        history.NotRecorded, match=r"could not be saved in .*/file/results for `report`: Not a dir"
    ):
        history.save(record())


def test_unwritable_report(tmp_path: Path) -> None:
    history.save(record())
    with pytest.raises(UsageError, match=r"Can't write the report to .*: Is a directory\.$") as raised:
        files.write(["a-1"], tmp_path)
    assert raised.value.fix == "choose another path for --output"
