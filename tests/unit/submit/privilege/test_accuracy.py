"""The line after a job: when there is one, and what it says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from iam.used.headers import advise
from iam.used.jobs import Declared
from raydock.errors import Unreachable
from raydock.gcp.clouds import LabCloud
from raydock.rayapi.job import Job
from submit.privilege import accuracy
from tests.unit.iam.used.runs import call, ran

LAB = LabCloud("http://127.0.0.1:9", {})
READ = call("get", "gs://b/x")


@pytest.mark.parametrize(
    ("run", "line"),
    [
        (ran(), ""),
        (ran(declared=Declared(("--data=synthetic",))), ""),
        (ran(READ, declared=None), ""),
        (ran(READ, overlapping=("y",)), ""),
        (ran(status="FAILED", declared=Declared(("gs://b/x",))), ""),
        (
            ran(READ, declared=Declared(("gs://b/x",))),
            "The header declares exactly what the job used: python -m iam used x-1",
        ),
        (
            ran(READ, declared=Declared((), ("--out=gs://b/out/",))),
            'The header is not accurate: reads lacks "gs://b/x"; writes has "--out=gs://b/out/", which was not used: '
            "python -m iam used x-1",
        ),
        (
            ran(*(call("create", f"gs://b{n}/\x1b[2J") for n in range(5)), status="FAILED"),
            r'The header is not accurate: writes lacks "gs://b0/\u001b[2J"; writes lacks "gs://b1/\u001b[2J"; writes '
            r'lacks "gs://b2/\u001b[2J"; and 2 more: python -m iam used x-1',
        ),
        (
            ran(READ, replace(READ, granted=False), call("list", "gs://b/", granted=False), status="FAILED"),
            "The job was denied storage.objects.get on gs://b, storage.objects.list on gs://b: "
            "python -m iam used x-1",
        ),
    ],
)
def test_the_line(run: Any, line: str) -> None:
    assert accuracy.line_of(run, advise(run)) == line


def test_a_lab_that_does_not_answer_costs_only_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise Unreachable("no", "no")

    monkeypatch.setattr(accuracy, "read_attributed", fails)
    for status in ("SUCCEEDED", "FAILED", "STOPPED"):
        assert asyncio.run(accuracy.header_line(LAB, Job("x-1", status))) == ""
