"""Which calls are a job's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from iam.used.attribution import attribute
from iam.used.decisions import Record, record_of
from iam.used.jobs import Declared, find_run
from raydock.errors import NotFound
from tests.unit.iam.used.runs import RUN, call

NODES = frozenset({"10.0.0.1", "10.0.0.2"})
READ = replace(call("get", "gs://b/x"), source="10.0.0.1", size=5)


def test_only_calls_from_the_nodes_while_it_ran() -> None:
    record = Record(
        (
            READ,
            replace(READ, source="10.0.0.2", first=160, last=170),
            replace(READ, source="gateway", count=100),  # the check before the job
            replace(READ, source="10.9.9.9", count=7),  # another machine with the same identity
            replace(READ, first=50, last=99),  # the job before
            replace(READ, first=202, last=203),  # the job after
            replace(READ, source="10.0.0.1", principal="user:you@example.com", first=200.5, last=200.5),
        )
    )
    found = attribute(RUN, record, NODES)
    assert [(one.principal, one.count, one.size, one.first, one.last) for one in found.decisions] == [
        (READ.principal, 2, 10, 150, 170),
        ("user:you@example.com", 1, 5, 200.5, 200.5),
    ]
    assert found.elsewhere == 7


def row(name: str | None, start: float, end: float | None, **more: Any) -> dict[str, Any]:
    found = {
        "submission_id": name,
        "status": "SUCCEEDED",
        "start_time": start * 1000,
        "entrypoint": "python x.py",
    }
    return found | ({"end_time": end * 1000} if end else {"status": "RUNNING"}) | more


def test_jobs_that_ran_at_the_same_time_are_named() -> None:
    jobs = [
        row("before", 10, 99),
        row("mine", 100, 200),
        row("within", 150, 160),
        row("around", 50, None),
        row(None, 197, 300, job_id="07000000"),
        row("just ended", 90, 102),
        row("starting", 199, 300),
        row("after", 201, None),
    ]
    assert find_run(jobs, "mine", 1000).overlapping == ("within", "around", "Ray job 07000000")
    assert find_run(jobs, "before", 1000).overlapping == ("around", "just ended")
    assert find_run(jobs, "after", 1000).ended == 1000


def test_what_the_submitter_sent_is_read_and_anything_else_is_unknown() -> None:
    declared = Declared(("--data", "gs://b/x"), (), {"--data": "gs://b/default"})
    metadata = {"submitter": "raydock", "declares": declared.encoded()}
    env = {"env_vars": {"A": "gs://b/a"}}
    command = "python x.py --n 'a b' gs://b/y"
    run = find_run([row("mine", 1, 2, metadata=metadata, entrypoint=command, runtime_env=env)], "mine", 9)
    assert run.declared == declared
    assert (run.script, run.arguments, run.variables) == (
        "x.py",
        ("--n", "a b", "gs://b/y"),
        {"A": "gs://b/a"},
    )
    assert Declared().encoded() == ""
    assert find_run([row("m", 1, 2, metadata={"submitter": "raydock"})], "m", 9).declared == Declared()
    for other in ({}, {"submitter": "x"}, {"submitter": "raydock", "declares": "["}, None):
        assert find_run([row("m", 1, 2, metadata=other, entrypoint="sh -c 'x")], "m", 9).declared is None


@pytest.mark.parametrize("jobs", [[], [row("mine", 0, None)]])
def test_a_job_that_is_unknown_or_has_not_started(jobs: list[dict[str, Any]]) -> None:
    with pytest.raises(NotFound) as fault:
        find_run(jobs, "mine", 9)
    assert fault.value.fix.startswith("python submit.py ")


def test_any_response_can_be_read() -> None:
    assert record_of({"decisions": [{"principal": 1, "count": "x", "prefix": 7}, 3]}).decisions[0].count == 0
    assert not record_of({}).complete
