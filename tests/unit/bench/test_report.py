"""The table and the JSON, in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.measure import report
from bench.measure.report import Measurement, Report
from bench.measure.statistics import Aim, Comparison, Of, Sample

MACHINE = {
    "cpu": "A CPU", "cores": "2", "memory": "24 GiB", "system": "Linux 6 x86_64", "python": "3.11.7", "ray": "2.47.1",
    "docker": "26.1", "compose": "2.26",
}  # fmt: skip
ROWS = (
    Comparison.of("line", "s", [1.0, 1.25, 2.0], [4.0, 5.0, 6.0], Aim(Of.RATIO, 0.2)),
    Comparison.of("right", "right", [1, 1], [1, 0], Aim(Of.RIGHT)),
    Comparison.of("bytes", "bytes", [0, 0], [24_000_000.0, 24_000_000.0], Aim(Of.OURS, 0)),
    Comparison("lags", "s", Sample(((0.01, 0.02), (0.03, 0.25)), 0.99), None, Aim(Of.OURS, 0.3, strict=True)),
    Comparison("up", "s", Sample.of([101.5])),
)
RESULTS = Report(MACHINE, (Measurement("exit", "2026-01-02 03:04 UTC", "docker: 1 head", 0.5, ROWS),))


def test_the_table_in_full() -> None:
    table = report.markdown(RESULTS).split("\n\n")
    assert table[0].splitlines() == [
        "| what | ours | stock | ratio | aim | met |",
        "| --- | --- | --- | --- | --- | --- |",
        "| line | 1.25 s (1.12–1.62, n=3) | 5 s (4.5–5.5, n=3) | 0.25 (0.25–0.29) | ratio ≤ 0.2 | **no** |",
        "| right | 2 of 2 | 1 of 2 | – | all | yes |",
        "| bytes | 0 bytes (n=2) | 24,000,000 bytes (n=2) | 0 (0–0) | ≤ 0 bytes | yes |",
        "| lags | 0.243 s (0.0769–0.191, n=2, 4 values) | – | – | < 0.3 s | yes |",
        "| up | 102 s (n=1) | – | – | report | – |",
    ]
    assert table[2] == (
        "Machine: A CPU, 2 cores, 24 GiB, Linux 6 x86_64, Python 3.11.7, Ray 2.47.1, Docker 26.1 with Compose 2.26."
    )
    assert table[3] == "- exit: 2026-01-02 03:04 UTC, docker: 1 head, initial load average 0.5\n"


def test_without_docker_and_cluster_the_table_says_so() -> None:
    machine = {name: value for name, value in MACHINE.items() if name not in {"docker", "compose"}}
    said = report.markdown(Report(machine, (Measurement("start", "now", "", 0, ()),)))
    assert "Ray 2.47.1, no Docker." in said
    assert "- start: now, no cluster needed, initial load average 0.0" in said


def test_json_round_trips_with_one_line_per_run(tmp_path: Path) -> None:
    report.write(RESULTS, tmp_path)
    assert report.read(tmp_path) == RESULTS
    assert "[0.01, 0.02]" in (tmp_path / "results.json").read_text()
    assert (tmp_path / "results.md").read_text() == report.markdown(RESULTS)


def test_reading_an_empty_folder(tmp_path: Path) -> None:
    assert report.read(tmp_path) is None


def test_results_of_another_version_are_rejected(tmp_path: Path) -> None:
    text = report.as_json(RESULTS).replace('"version": 1', '"version": 0')
    with pytest.raises(ValueError, match="unsupported results version 0; expected 1"):
        report.from_json(text)


def test_a_result_replaces_only_the_earlier_one_of_the_same_name() -> None:
    other = Measurement("lag", "then", "", 0, ROWS[:1])
    fresh = Measurement("exit", "now", "", 0, ROWS[:1])
    merged = Report(MACHINE, (other, *RESULTS.measurements)).with_(Report(MACHINE, (fresh,)))
    assert merged.in_order(["exit", "lag"]).measurements == (fresh, other)


def test_results_of_another_machine_are_dropped() -> None:
    fresh = Report({**MACHINE, "cores": "64"}, ())
    assert RESULTS.with_(fresh) == fresh
