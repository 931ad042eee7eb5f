"""A result in lines of 80 columns: what matters first, and short lines whatever a job prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydock.terminal.status_line import columns_of
from submit.results import result
from submit.results.fields import PoolUse, Workers, fields_of
from submit.results.summary import ROWS, lines
from submit.results.values import concise

NODES = [
    {"node": f"10.0.0.{number}", "id": "ab" * 28, "pool": pool, "tasks": 100}
    for number, pool in enumerate(["cpu-worker", "cpu-worker", "gpu-worker"])
]
TASKS = [{"name": "fits", "node": "ab" * 28, "start": 1795725858.9, "end": 1795725859.4}] * 300
LESSON = {
    "version": 1, "job": "sklearn_joblib", "data": "load_digits, 1797 x 64", "nodes": NODES, "cpus": 3,
    "seconds": {"ray": 25.07, "alone": 125.01}, "speed_up": 1.4, "efficiency": 0.4666, "peak_memory_mib": None,
    "metrics": {"cv_accuracy": 0.971628, "best_params": {"C": 8.53167, "tol": 0.0001}}, "tasks": TASKS,
}  # fmt: skip


NO_CLUSTER = Workers()


def shown(value: Mapping[str, Any], workers: Workers = NO_CLUSTER, width: int = 80) -> list[str]:
    return lines(fields_of(value, "python x.py", workers), workers, width)


def test_summary_of_a_lesson() -> None:
    assert shown(LESSON, Workers(cores=2)) == [
        "  speed-up     1.4×",
        "  with Ray     25.1 s",
        "  without Ray  2 min 5 s, on one CPU",
        "  CPUs         3, sharing this machine's 2 cores; efficiency 47%",
        "  cv_accuracy  0.9716",
        "  best_params  C 8.532, tol 0.0001",
        "  cpu-worker   2 nodes, 200 tasks",
        "  gpu-worker   1 node, 100 tasks",
        "  data         load_digits, 1797 x 64",
    ]


def test_two_keys_give_the_speed_up() -> None:
    value = {"seconds": {"ray": 2, "alone": 3}, "metrics": {"n": 5}}
    assert shown(value, Workers(3, (PoolUse("cpu-worker", 3),), 4)) == [
        "  speed-up     1.5×",
        "  with Ray     2 s",
        "  without Ray  3 s, on one CPU",
        "  CPUs         3; efficiency 50%",
        "  n            5",
    ]
    assert shown({"seconds": 2, "cpus": None}) == ["  time  2 s"]
    assert shown({"seconds": {"ray": 4, "alone": 3}})[0] == "  speed-up     0.75×: slower than without Ray"


def test_own_keys_are_short() -> None:
    value = {
        "history": [0.5] * 300, "shape": [64, 32], "records": [{"a": 1}], "nothing": None, "empty": {}, "text": "",
        "started_at": 1795725858.9, "wall_seconds": 7200, "ok": True, "rows": 1_000_000, "loss": float("nan"),
        "node_id": "ab" * 28, "deep": {"er": {"still": {"x": 1}}}, "big": "v" * 40_000,
    }  # fmt: skip
    found = dict(
        line.split(maxsplit=1) for line in shown(result.parse(json.dumps(value).encode(), str) or {})
    )
    assert found.pop("started_at").startswith("2026-11-2")
    assert found.pop("big") == "v" * 63 + "…"
    assert found == {
        "history": "300 values", "shape": "64, 32", "records": "1 entry", "wall_seconds": "2 h", "ok": "yes",
        "rows": "1,000,000", "loss": "NaN", "deep": "er 1 value",
    }  # fmt: skip


def test_long_object_gets_a_row_for_each_value() -> None:
    value = {"metrics": {"replicas": {"one": "x" * 40, "two": {"p50": 1.5, "p99": 2.25}, "three": "y" * 40}}}
    assert shown(value) == [
        "  replicas.one    " + "x" * 40,
        "  replicas.two    p50 1.5, p99 2.25",
        "  replicas.three  " + "y" * 40,
    ]


def test_rest_of_a_large_result_is_counted() -> None:
    found = shown({"seconds": 2, "metrics": {f"m{number}": number for number in range(100)}})
    assert len(found) == ROWS + 1
    assert found[-1] == "  … 86 more values; --result PATH writes everything"
    assert "at least" in shown({"metrics": {f"m{number}": number for number in range(2000)}})[-1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=6),
    max_leaves=30,
)
KEYS = st.sampled_from(
    ["seconds", "metrics", "nodes", "cpus", "speed_up", "data", "job", "tasks", "own", "at"]
)


@given(st.dictionaries(KEYS | st.text(), JSON, max_size=8), st.integers(0, 200))
def test_any_result_fits_the_terminal(value: dict[str, Any], width: int) -> None:
    line = json.dumps(value).encode("utf-8", "surrogatepass")
    found = shown(result.parse(line, str) or {}, Workers(3, (), 2), width)
    assert len(found) <= ROWS + 1
    assert all(columns_of(one) <= max(width, 60) for one in found[: ROWS + 1])
    assert all(one.isprintable() or "\ufffd" in one for one in found if one.isascii())


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("loss", 0.000012345, "1.234e-05"),
        ("mse", 123456.7, "123,457"),
        ("count", 10**400, "1" + "0" * 22 + "…"),
        ("ended", 1795725858, "2026-11-2"),
        ("start_ms", 1795725858900, "2026-11-2"),
        ("start", 12.5, "12.5"),
        ("epoch", 12, "12"),
        ("train_seconds", 0.25, "0.25 s"),
        ("seconds", -1, "-1"),
    ],
)
def test_numbers(key: str, value: float, expected: str) -> None:
    assert concise(key, value).startswith(expected)
