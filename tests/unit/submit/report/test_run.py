"""Any RESULT becomes a run: what a field should not hold counts as absent, and own keys are shown."""

from __future__ import annotations

from typing import Any

import pytest

from submit.report.run import run_of
from submit.results.history import JobRecord

from .records import record, run


def own(entrypoint: str, result: dict[str, Any]) -> JobRecord:
    return JobRecord("x-1", "local", entrypoint, 1000, 1030, 2, result)


def test_three_keys_of_an_own_script_give_a_full_run() -> None:
    found = run_of(
        own("python jobs/mine.py", {"seconds": {"ray": 10, "alone": 19}, "cpus": 3, "metrics": {"auc": 0.91}})
    )
    assert (found.job, found.ray, found.alone, found.speed_up, found.cpus) == ("mine", 10, 19, 1.9, 3)
    assert found.metrics == (("auc", "0.91"),)
    assert found.total == 30


def test_keys_without_a_meaning_are_metrics() -> None:
    found = run_of(
        own("python mine.py", {"accuracy": 0.98765, "best": {"depth": 20}, "all": [1, 2], "none": None})
    )
    assert found.metrics == (("accuracy", "0.9877"), ("best.depth", "20"), ("all", "1, 2"))


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"seconds": "?", "nodes": "?", "tasks": {}, "curves": 0, "cpus": None, "speed_up": "2"},
        {"tasks": [{"node": 1, "start": 2, "end": 1}], "curves": [{"lines": {"a": [[1]]}}], "cpus": 10**12},
        {"tasks": [{"node": "n", "start": 0, "end": 10**400}], "seconds": -1, "speed_up": float("inf")},
    ],
)
def test_values_of_the_wrong_kind_count_as_absent(result: dict[str, Any]) -> None:
    found = run_of(own("python x.py", result))
    assert (found.tasks, found.curves, found.nodes, found.cpus) == ((), (), (), 0)
    assert (found.ray, found.speed_up) == (None, None)


def test_compare_flag_does_not_separate_runs() -> None:
    assert run(words="--compare").kind == run(words="--no-compare").kind == run().kind
    assert run(words="--forests 8").kind != run().kind


@pytest.mark.parametrize(
    ("cpus", "cores", "more", "most"),
    [(3, 2, {}, 2), (3, 0, {}, 3), (3, 2, {"computes": False}, 3), (0, 2, {}, 0)],
)
def test_the_largest_possible_speed_up(cpus: int, cores: int, more: dict[str, Any], most: int) -> None:
    assert run_of(record(cpus=cpus, cores=cores, **more)).most == most
