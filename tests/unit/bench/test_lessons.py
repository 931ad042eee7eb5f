"""`make lessons`: it includes every job, in an order that provides their inputs, and rejects unknown names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import lessons
from bench.lessons import LESSONS, SCALES, Lesson, chosen, is_chosen
from bench.measure.command import ROOT, Unexpected
from bench.measure.lab import BenchLab
from tests.command import JOBS


def test_every_job_is_a_lesson() -> None:
    assert sorted(one.script for one in LESSONS) == [str(path.relative_to(ROOT)) for path in JOBS]
    assert all((ROOT / one.lesson.script).exists() for one in SCALES)


def test_inputs_are_written_before_they_are_read() -> None:
    order = [Path(one.script).stem for one in LESSONS]
    assert order.index("make_data") < order.index("csv_to_parquet")
    assert order.index("make_data") < order.index("train_xgboost") < order.index("batch_predict")
    assert order.index("train_xgboost") < order.index("serve_model")


def test_the_commands() -> None:
    lesson = Lesson("jobs/x.py", ("--n", "3", "--compare"))
    assert lesson.command(smoke=False)[1:] == ["submit.py", "jobs/x.py", "--", "--n", "3", "--compare"]
    assert lesson.command(smoke=True)[1:] == ["submit.py", "jobs/x.py", "--", "--smoke-test", "--compare"]
    assert Lesson("jobs/x.py").command(smoke=False)[1:] == ["submit.py", "jobs/x.py"]


def test_some_lessons_can_be_chosen() -> None:
    names = chosen(["forest_sweep", "waits"])
    assert [one.script for one in LESSONS if is_chosen(one, names)] == ["jobs/forest_sweep.py"]
    assert all(is_chosen(one, []) for one in LESSONS)


def test_an_unknown_lesson_is_reported_in_one_sentence() -> None:
    with pytest.raises(Unexpected, match=r"^Unknown lesson forest\. Known: sklearn_joblib, forest_sweep, "):
        chosen(["forest"])


def test_the_warm_up_result_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = BenchLab({"RAYDOCK_STATE": str(tmp_path), "RAYDOCK_PORT": "1"})
    folder = lessons.results(cluster)
    folder.mkdir()
    (folder / "kept.json").write_text("{}")

    def run_lesson(*given: object, **more: object) -> bool:
        (folder / "warm.json").write_text("{}")
        return True

    monkeypatch.setattr(lessons, "run_lesson", run_lesson)
    lessons.warm(cluster)
    assert [path.name for path in folder.iterdir()] == ["kept.json"]
