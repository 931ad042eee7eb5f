"""The report's answer, and what limited the speed-up: only what the records support."""

from __future__ import annotations

from typing import Any

import pytest

from submit.report.answer import headline, lead, newest, only_smoke_tests, run_headline
from submit.report.limits import limits, limits_of_all

from .records import FOUR, compared, run, task

THREE_CPUS = {
    "cpus": 3,
    "nodes": [
        {"node": "cpu-worker-1", "id": "n1", "pool": "cpu-worker", "tasks": 2},
        {"node": "cpu-worker-2", "id": "n2", "pool": "cpu-worker", "tasks": 2},
        {"node": "gpu-worker-1", "id": "n3", "pool": "gpu-worker", "tasks": 2},
    ],
}
EVEN = [task(node, start, start + 5) for node in ("n1", "n2", "n3") for start in (0.0, 5.0)]


def test_the_report_opens_with_the_largest_speed_up_and_on_what() -> None:
    runs = [
        compared(40, 10, job="old"),
        compared(20, 10, job="old", **THREE_CPUS),
        compared(18, 10, job="b"),
        compared(1, 10, job="c"),
    ]
    assert headline(runs) == "2 of 3 jobs were faster with Ray, up to 2.00×"  # the last run of a job counts
    assert lead(runs) == (
        "The best is old: 20 s without Ray and 10 s with it, on 3 CPUs, with tasks on 2 cpu-worker nodes and 1 "
        "gpu-worker node. All nodes run on this machine, which has 2 cores."
    )
    assert [found.job for found in newest(runs)] == ["old", "b", "c"]


@pytest.mark.parametrize(
    ("alone", "expected"),
    [
        (20, "sweep was 2.00× as fast with Ray"),
        (9.8, "sweep was about as fast with Ray: 0.98×"),
        (0.6, "sweep was slower with Ray: 0.06×"),
    ],
)
def test_one_compared_job(alone: float, expected: str) -> None:
    assert headline([compared(alone, 10)]) == run_headline(compared(alone, 10)) == expected


def test_nothing_compared() -> None:
    assert headline([run("1"), run("2")]) == "2 runs, no speed-up measured"
    assert "--compare" in lead([run()])
    assert run_headline(run()) == "sweep took 10 s"
    assert (
        headline([compared(1, 10, job="a"), compared(1, 10, job="b")])
        == "None of the 2 jobs was faster with Ray"
    )


def test_a_smoke_tests_speed_up_is_no_answer() -> None:
    smoke = compared(30, 10, words="--smoke-test --compare")
    assert headline([smoke]) == "1 run, no speed-up measured"
    assert only_smoke_tests([smoke]) == ["sweep"]
    assert newest([compared(20, 10), smoke])[0].speed_up == 2
    assert only_smoke_tests([compared(20, 10), smoke]) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tasks": EVEN, **THREE_CPUS, "cores": 8}, ()),
        (
            {"tasks": EVEN, **THREE_CPUS},
            ("3 CPUs share this machine's 2 cores, so compute-bound work can speed up by at most 2×.",),
        ),
        ({"tasks": EVEN, **THREE_CPUS, "computes": False}, ()),
        (
            {"cpus": 2},
            ("2 CPUs use all of this machine's 2 cores, so compute-bound work can speed up by at most 2×.",),
        ),
        (
            {"tasks": [task("n1", 0, 1), task("n1", 1, 2)], "seconds": {"ray": 10, "alone": 4}},
            (
                "For 8 s of 10 s, none of the tasks in its RESULT were running: this was start-up and work outside "
                "tasks. That alone took longer than the whole job without Ray (4 s).",
            ),
        ),
        (
            {"tasks": [task("n1", 0, 9, "big"), task("n2", 0, 2), task("n2", 2, 4)], "cpus": 2, "cores": 4},
            ("The longest task (big) took 9 s of the 9 s during which tasks ran.",),
        ),
        (
            {"tasks": [task("n1", 0, 5), task("n2", 5, 10)], "cpus": 2, "cores": 4},
            ("From its first task to its last, its CPUs were busy 50% of the time.",),
        ),
        ({"tasks": [task("n1", 0, 10)], "cpus": 2, "cores": 4}, ("It had only 1 task for 2 CPUs.",)),
        (
            {"tasks": [task("n1", at / 10, at / 10 + 0.075) for at in range(100)]},
            ("A task takes 75 ms on average, and its CPU then stays idle for 24.8 ms.",),
        ),
        ({"seconds": {"ray": 10}}, ()),
        (
            {"seconds": {"ray": 10, "alone": 40}, "cpus": 2, "cores": 4},
            ("4.00× is more than 2 CPUs can deliver. Were both timings measured on the same work?",),
        ),
        ({"tasks": FOUR, "seconds": None}, ()),
    ],
)
def test_limits_of_a_run(fields: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert limits(run(**fields)) == expected


def test_common_limits_are_given_once() -> None:
    small = compared(1, 10, job="small", tasks=[task("n1", 0, 1)])
    assert limits_of_all(
        [compared(20, 10, tasks=EVEN, **THREE_CPUS), compared(15, 10, **THREE_CPUS), small]
    ) == [
        "3 CPUs share this machine's 2 cores, so compute-bound work can speed up by at most 2×.",
        "Start-up and work outside tasks took longer than the whole job without Ray: small.",
    ]
