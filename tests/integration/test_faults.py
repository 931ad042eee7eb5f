"""Faults on purpose in a running lab: a lesson survives them, and a dead node comes back by itself."""

from __future__ import annotations

import json

import pytest

from tests.integration.test_processes_cloud import result
from tests.lab import Lab, until

pytestmark = [
    pytest.mark.ray,
    pytest.mark.nightly(
        "tests/unit/cloud/faults/test_storage.py::test_googles_client_retries_until_it_works",
        "tests/unit/cluster/fault/test_node.py::test_only_what_is_down_is_started",
    ),
]
STORAGE = (["503"], ["429"], *(["cut", "--at", at] for at in ("request", "body", "response")))


def test_a_lesson_survives_faults_and_a_dead_node_starts_again(processes_lab: Lab) -> None:
    lab = processes_lab
    result(lab, "jobs/make_data.py", "--", "--smoke-test")
    for words in STORAGE:
        assert lab.cluster("fault", *words, "--seed", "1").returncode == 0
        result(lab, "jobs/csv_to_parquet.py")
        [fault] = json.loads(lab.cluster("fault", "list", "--json").stdout)
        assert fault["hits"] > 0
        assert lab.cluster("fault", "clear").returncode == 0
    whole = lab.shape()
    done = lab.cluster("fault", "node", "cpu-worker-1", "--for", "10s")
    assert done.returncode == 0, done.stderr
    assert ("cpu-worker-1", "DEAD") in lab.shape()
    until(lambda: lab.shape() == whole)
    assert lab.cluster("fault", "list").stdout == "No faults.\n"
