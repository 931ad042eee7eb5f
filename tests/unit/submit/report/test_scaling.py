"""The model of how a job scales; the expected numbers are computed by hand."""

from __future__ import annotations

import pytest

from submit.report.scaling import Model, lanes, makespan, mean_gap, model_of, scalings

from .records import FOUR, run, task


def test_overlapping_tasks_get_separate_lanes() -> None:
    a, b, c = task("n", 0, 4), task("n", 1, 2), task("n", 2.5, 3)
    assert lanes([c, a, b]) == [[a], [b, c]]


def test_clock_skew_is_not_an_overlap() -> None:
    a, b, c = task("n", 0, 1.04), task("n", 1, 2.001), task("n", 2, 3)
    assert lanes([a, b, c]) == [[a, b, c]]
    short, next_one = task("n", 0, 0.04), task("n", 0.02, 0.06)
    assert len(lanes([short, next_one])) == 2


def test_list_scheduling() -> None:
    assert makespan([3, 3, 2, 2, 2], 2) == 7  # 3+2+2, 3+2
    assert makespan([1.0] * 7, 3) == 3
    assert makespan([], 4) == 0


def test_model_of_a_run() -> None:
    model = model_of(run(tasks=FOUR))
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
        run("1", tasks=FOUR),
        run("2", cpus=2, seconds={"ray": 9.0}, tasks=halves),
        run("3", cpus=2, seconds={"ray": 6.0}, tasks=halves, words="--compare"),
        run("4", data="other", cpus=4, tasks=FOUR),
        run("5", cpus=3),
    ]
    (one,) = scalings(runs)
    assert [(point.cpus, point.seconds) for point in one.points] == [(1, 10.0), (2, 6.0)]
    assert one.points[1].error == pytest.approx((1.7 + 4.15) / 6 - 1)
    assert one.worst == pytest.approx(abs(one.points[1].shared_error))
    assert scalings(runs[3:]) == []
