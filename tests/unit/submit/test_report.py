"""Saved results and their report page; the expected numbers are computed by hand."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raydock.errors import UsageError
from submit.report import page
from submit.report.scaling import Model, lanes, makespan, mean_gap, model_of, scalings
from submit.report.summary import cells, markdown, newest, run_of
from submit.results import history
from submit.results.history import JobRecord


def task(node: str, start: float, end: float) -> dict[str, Any]:
    return {"name": f"{start:g}", "node": node, "start": start, "end": end}


def record(id: str = "a-1", started: float = 1000.0, cores: int = 2, **result: Any) -> JobRecord:
    usual = {
        "version": 1,
        "job": "sweep",
        "data": "synthetic",
        "nodes": [{"node": "10.0.0.2", "id": "n1", "pool": "cpu-worker", "tasks": 4}],
        "cpus": 1,
        "seconds": {"ray": 10.0, "alone": None},
        "speed_up": None,
        "metrics": {},
    }
    return JobRecord(id, "local", "python sweep.py", started, started + 12, cores, usual | result)


FOUR = [task("n1", 1, 3), task("n1", 3.1, 5.1), task("n1", 5.2, 7.2), task("n1", 7.3, 9.3)]


@pytest.fixture
def results_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    return tmp_path / "results"


def test_saved_records_load_oldest_first(results_folder: Path) -> None:
    second, first = record("b", 2000.0), record("a", 1000.0)
    history.save(second)
    history.save(first)
    assert history.load([]) == [first, second]
    assert history.load(["b"]) == [second]
    assert history.load([str(results_folder / "a.json")]) == [first]
    assert sorted(path.name for path in results_folder.iterdir()) == ["a.json", "b.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"^No result of x in .*/results\.$"),
        ("{", r"/x\.json is not a saved result: .+\.$"),
        ("[]", r"/x\.json is not a saved result: unexpected format\.$"),
        ('{"version": 2, "result": {}}', r"/x\.json is not a saved result: unexpected format\.$"),
        ('{"version": 1, "result": {}}', r"/x\.json is not a saved result: .*missing.*\.$"),
    ],
)
def test_invalid_record(results_folder: Path, content: str | None, message: str) -> None:
    results_folder.mkdir()
    if content is not None:
        (results_folder / "x.json").write_text(content)
    with pytest.raises(UsageError, match=message) as raised:
        history.load(["x"])
    assert raised.value.fix


@pytest.mark.usefixtures("results_folder")
def test_report_without_results() -> None:
    with pytest.raises(UsageError) as raised:
        history.load([])
    assert raised.value.message == "No results yet: each job that succeeds saves one."
    assert raised.value.fix == "python submit.py jobs/sklearn_joblib.py"


def test_unreadable_record_is_reported_and_left_out(results_folder: Path) -> None:
    history.save(record("a"))
    (results_folder / "b.json").write_bytes(b"\xff{")
    faults: list[str] = []
    assert history.load([], lambda fault: faults.append(f"{fault.message} {fault.fix}")) == [record("a")]
    (fault,) = faults
    assert "b.json is not a saved result: " in fault
    assert fault.endswith(f"remove it: rm {results_folder}/b.json")
    assert history.for_target("local") == [record("a")]


def test_unwritable_results_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "file"))
    with pytest.raises(
        history.NotRecorded, match=r"could not be saved in .*/file/results for `report`: Not a dir"
    ):
        history.save(record())


def test_table_row() -> None:
    run = run_of(
        record(
            cpus=2,
            seconds={"ray": 10.0, "alone": 18.0},
            speed_up=1.8,
            peak_memory_mib=256.4,
            metrics={"r2": 0.98765, "best": {"depth": 20}, "all": [1, 2]},
        )
    )
    assert cells(run) == (
        "sweep", "synthetic", "cpu-worker 4", "2", "18 s", "10 s", "1.8×", "90%", "256 MiB",
        "r2 0.9877, best.depth 20",
    )  # fmt: skip
    assert markdown([run]).splitlines()[2].startswith("| sweep | synthetic | cpu-worker 4 | 2 | 18 s |")


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"seconds": 3, "nodes": "?", "metrics": 1, "tasks": {}, "curves": 0, "cpus": None},
        {"tasks": [{"node": 1, "start": 2, "end": 1}], "curves": [{"lines": {"a": [[1]]}}], "nodes": [1]},
    ],
)
def test_any_result_becomes_a_row(result: dict[str, Any]) -> None:
    run = run_of(JobRecord("x-1", "local", "python x.py", 1, 2, 0, result))
    assert (run.tasks, run.curves, run.job) == ((), (), "x")
    assert len(cells(run)) == 10
    assert "<td>x</td>" in page.html([run.record])


def test_three_keys_give_a_full_row() -> None:
    """Only the memory is unknown."""
    result = {"seconds": {"ray": 10.0, "alone": 18.0}, "metrics": {"r2": 0.9}, "data": "mine"}
    pools = {"cpu-worker": 2, "gpu-worker": 1}
    run = run_of(JobRecord("x-1", "local", "python x.py --n 3", 1, 2, 2, result, cpus=3, pools=pools))
    assert cells(run) == (
        "x", "mine", "cpu-worker (2 nodes), gpu-worker (1 node)", "3", "18 s", "10 s", "1.8×", "60%", "–", "r2 0.9",
    )  # fmt: skip


@pytest.mark.parametrize(
    "odd",
    [
        {"nodes": [7, "x"], "tasks": [task("n1", 0, 1)]},
        {
            "nodes": 7,
            "tasks": [{**task("n1", 0, 0), "end": 10**400}, task("n1", 0, float("nan")), task("n2", 0, 0)],
        },
        {"cpus": 10**12, "seconds": {"ray": 1e308, "alone": -1}, "speed_up": float("inf")},
        {"job": "$\\frac{$", "curves": [{"title": "$x^", "lines": {"a": [[0, 1]], "\x00": [[1, 10**400]]}}]},
        {
            "curves": [
                {"title": 3, "x": [], "lines": {"_$": [[0, 1], [1, 2]]}},
                {"lines": {"a": 7}},
                {"lines": []},
            ]
        },
    ],
)
def test_page_tolerates_any_result(odd: dict[str, Any]) -> None:
    runs = [record(f"{cpus}", **{"tasks": FOUR[:1], "cpus": cpus, **odd}) for cpus in (1, 2)]
    runs = [replace(one, entrypoint="python x.py 'open") for one in runs]
    xml.etree.ElementTree.fromstring(
        f"<p>{''.join(re.findall('<svg.*?</svg>', page.html(runs), re.DOTALL))}</p>"
    )
    assert page.text(runs).startswith("# Jobs on Ray")


def test_newest_prefers_runs_with_a_speed_up() -> None:
    runs = [
        run_of(record("1", speed_up=1.5)),
        run_of(record("2", speed_up=1.7)),
        run_of(record("3")),
        run_of(record("4", job="other")),
        run_of(record("5", job="other")),
    ]
    assert [run.record.submission_id for run in newest(runs)] == ["5", "2"]


def test_overlapping_tasks_get_separate_lanes() -> None:
    a, b, c = task("n", 0, 4), task("n", 1, 2), task("n", 2.5, 3)
    assert lanes([c, a, b]) == [[a], [b, c]]


def test_list_scheduling() -> None:
    assert makespan([3, 3, 2, 2, 2], 2) == 7  # 3+2+2, 3+2
    assert makespan([1.0] * 7, 3) == 3
    assert makespan([], 4) == 0


def test_model_of_a_run() -> None:
    model = model_of(run_of(record(tasks=FOUR)))
    assert model.serial == pytest.approx(10 - 8.3)
    assert model.gap == pytest.approx(0.3 / 4)
    assert model.tasks == pytest.approx([2, 2, 2, 2])
    assert model.seconds(1) == pytest.approx(10)  # reproduces the run that it was fitted to
    assert model.seconds(2) == pytest.approx(1.7 + 2 * 2.075)


def test_gaps_between_tasks_on_one_cpu() -> None:
    both = [task("n1", 0, 1), task("n1", 1.2, 2), task("n2", 0, 1), task("n2", 1.4, 2)]
    assert mean_gap(both) == pytest.approx(0.6 / 4)
    assert mean_gap(both[:1]) == 0


def test_shared_cores_slow_down_computing_tasks() -> None:
    model = Model(serial=1.0, gap=0.0, tasks=(1.0,) * 8, cores=2)
    assert [model.seconds(n, shared=True) for n in (1, 2, 4)] == [9, 5, 6]
    assert model.speed_up(4) == pytest.approx(9 / 3)
    waiting = Model(serial=1.0, gap=0.0, tasks=(1.0,) * 8, cores=0)
    assert waiting.seconds(4, shared=True) == 3


def test_runs_on_several_sizes_form_a_scaling() -> None:
    halves = [task("n1", 1, 3), task("n2", 1, 3), task("n1", 3, 5), task("n2", 3, 5)]
    runs = [
        run_of(record("1", tasks=FOUR)),
        run_of(record("2", cpus=2, seconds={"ray": 9.0}, tasks=halves)),
        run_of(record("3", cpus=2, seconds={"ray": 6.0}, tasks=halves)),
        run_of(record("4", data="other", cpus=4, tasks=FOUR)),
        run_of(record("5", cpus=3)),
    ]
    (one,) = scalings(runs)
    assert [(point.cpus, point.seconds) for point in one.points] == [(1, 10.0), (2, 6.0)]
    assert one.points[1].error == pytest.approx((1.7 + 4.15) / 6 - 1)
    assert one.worst == pytest.approx(abs(one.points[1].shared_error))
    assert scalings(runs[3:]) == []


def test_compare_flag_does_not_separate_runs() -> None:
    plain, compared = record("1", tasks=FOUR), record("2", cpus=2, tasks=FOUR)
    compared = replace(compared, entrypoint="python sweep.py --compare")
    other = replace(compared, entrypoint="python sweep.py --forests 8")
    assert len(scalings([run_of(plain), run_of(compared)])) == 1
    assert scalings([run_of(plain), run_of(other)]) == []


def test_page_is_self_contained() -> None:
    curve = {"title": "t", "x": "round", "y": "loss", "lines": {"train <1>": [[1, 0.5], [2, 0.3]]}}
    rich = record("1", tasks=FOUR, speed_up=1.5, curves=[curve], metrics={"<b>": 1})
    html = page.html([rich, record("2", cpus=2, tasks=FOUR, job="sweep")])
    for heading in ("Speed-up with Ray", "Runs", "Scaling", "Task timelines", "Curves"):
        assert f"<h2>{heading}</h2>" in html
    assert "&lt;b&gt; 1" in html
    assert "<b>" not in html
    assert not re.findall(r'(?:src|href)="(?!#)', html)
    assert "<script" not in html
    charts = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(charts) == 4
    for chart in charts:
        xml.etree.ElementTree.fromstring(chart)


def test_model_is_described_with_its_error() -> None:
    text = page.text([record("1", tasks=FOUR), record("2", cpus=2, seconds={"ray": 6.5}, tasks=FOUR)])
    assert "| 2 | 6.5 s | 5.85 s (-10%) | 5.85 s (-10%) |" in text
    assert "The model is off by at most 10% on the measured sizes." in text
    assert "With one core per CPU it predicts" in text


def test_missing_matplotlib_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(UsageError) as raised:
        page.html([record(tasks=FOUR)])
    assert raised.value.fix == "pip install matplotlib"


def test_record_is_json(results_folder: Path) -> None:
    history.save(record("x"))
    data = json.loads((results_folder / "x.json").read_text())
    assert data["version"] == 1
    assert data["result"]["job"] == "sweep"
