"""Saved records for the tests of the report."""

from __future__ import annotations

from typing import Any

from submit.report.run import Run, run_of
from submit.results.history import JobRecord


def task(node: str, start: float, end: float, name: str = "fit") -> dict[str, Any]:
    return {"name": name, "node": node, "start": start, "end": end}


def record(
    id: str = "a-1", started: float = 1000.0, cores: int = 2, words: str = "", **result: Any
) -> JobRecord:
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
    return JobRecord(
        id, "local", f"python sweep.py {words}".strip(), started, started + 12, cores, usual | result
    )


def run(id: str = "a-1", **fields: Any) -> Run:
    return run_of(record(id, **fields))


def compared(alone: float, ray: float, **fields: Any) -> Run:
    return run(seconds={"ray": ray, "alone": alone}, speed_up=alone / ray, **fields)


FOUR = [task("n1", 1, 3), task("n1", 3.1, 5.1), task("n1", 5.2, 7.2), task("n1", 7.3, 9.3)]
