"""`make lessons`: it has every job, in an order that feeds them, and says what it does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import lessons
from bench.lessons import LESSONS, SCALES, Lesson, chosen, wanted
from bench.measure.command import ROOT, Unexpected
from bench.measure.lab import BenchLab


def test_every_job_is_a_lesson() -> None:
    assert sorted(one.script for one in LESSONS) == sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "jobs").glob("*.py")
    )
    assert all((ROOT / one.lesson.script).exists() for one in SCALES)


def test_what_is_read_is_written_before() -> None:
    order = [Path(one.script).stem for one in LESSONS]
    assert order.index("make_data") < order.index("csv_to_parquet")
    assert order.index("make_data") < order.index("train_xgboost") < order.index("batch_predict")
    assert order.index("train_xgboost") < order.index("serve_model")


def test_the_commands() -> None:
    lesson = Lesson("jobs/x.py", ("--n", "3", "--compare"))
    assert lesson.words(smoke=False)[1:] == ["submit.py", "jobs/x.py", "--", "--n", "3", "--compare"]
    assert lesson.words(smoke=True)[1:] == ["submit.py", "jobs/x.py", "--", "--smoke-test", "--compare"]
    assert Lesson("jobs/x.py").words(smoke=False)[1:] == ["submit.py", "jobs/x.py"]


def test_some_lessons_can_be_chosen() -> None:
    names = chosen(["forest_sweep", "waits"])
    assert [one.script for one in LESSONS if wanted(one, names)] == ["jobs/forest_sweep.py"]
    assert all(wanted(one, []) for one in LESSONS)


def test_a_lesson_that_is_none_is_one_sentence() -> None:
    with pytest.raises(
        Unexpected, match=r"^There is no lesson forest\. There are: sklearn_joblib, forest_sweep, "
    ):
        chosen(["forest"])


def test_the_start_of_new_nodes_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = BenchLab({"RAYDOCK_STATE": str(tmp_path), "RAYDOCK_PORT": "1"})
    folder = lessons.results(cluster)
    folder.mkdir()
    (folder / "kept.json").write_text("{}")

    def taught(*given: object, **more: object) -> bool:
        (folder / "warm.json").write_text("{}")
        return True

    monkeypatch.setattr(lessons, "taught", taught)
    lessons.warm(cluster)
    assert [path.name for path in folder.iterdir()] == ["kept.json"]
