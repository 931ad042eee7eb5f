"""docker/leftovers.py: which processes a job has left behind, and when each is ended."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from raydock.settings import ROOT


@pytest.fixture(scope="module")
def leftovers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("raydock_leftovers", ROOT / "docker" / "leftovers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


class Table:
    """The processes on a head node: init 1, `ray start` 7, raylet 20, and those that a test adds."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.found = module, module.Leftovers()
        self.processes: dict[int, Any] = {}
        self.add(1, 0, score=0)
        self.add(7, 1, score=0)
        self.add(20, 7, score=0)

    def add(self, pid: int, parent: int, job: str = "", score: int = 1000, ours: bool = True) -> None:
        self.processes[pid] = self.module.Process((pid, pid), parent, score, job, ours)

    def job(self, name: str, supervisor: int) -> None:
        """Add a running job: its supervisor, which is a Ray worker, and its entrypoint with the next process id."""
        self.add(supervisor, 20)
        self.add(supervisor + 1, supervisor, name)

    def end(self, *pids: int) -> None:
        """End the processes; init adopts their children."""
        for pid in pids:
            del self.processes[pid]
        for pid, one in self.processes.items():
            if one.parent in pids:
                self.add(pid, 1, one.job, one.score, one.ours)

    def looks(self, count: int = 6) -> list[tuple[int, int, str]]:
        """The signals sent in that many scans: scan, process id, signal."""
        return [
            (look, pid, how.name)
            for look in range(1, count + 1)
            for pid, how in self.found.scan(self.processes.values())
        ]


@pytest.fixture
def table(leftovers: ModuleType) -> Table:
    return Table(leftovers)


def test_a_running_job_keeps_all_of_its_processes(table: Table) -> None:
    table.job("a", 100)
    table.add(110, 1, "a")  # a daemon that it started
    table.add(111, 101, "")  # a process without an environment
    assert table.looks() == []


def test_leftover_processes_are_terminated_and_then_killed(table: Table) -> None:
    table.job("a", 100)
    table.add(110, 101, "a")
    table.job("b", 200)
    table.add(210, 1, "b")
    table.looks()
    table.end(100, 101)
    assert table.looks() == [(2, 110, "SIGTERM"), (5, 110, "SIGKILL"), (6, 110, "SIGKILL")]


def test_a_short_lived_process_is_left_alone(table: Table) -> None:
    """The job's own processes exit just after it."""
    table.job("a", 100)
    table.add(110, 101, "a")
    table.looks()
    table.end(100, 101)
    assert table.looks(1) == []
    table.end(110)
    assert table.looks() == []


def test_a_process_without_an_environment_belongs_to_its_parents_job(table: Table) -> None:
    table.job("a", 100)
    table.add(110, 101, "a")
    table.add(111, 110, "")
    table.job("b", 200)  # so that a job is running
    table.looks(1)
    table.end(110)
    assert table.looks() == []
    table.end(100, 101)
    assert [pid for _, pid, _ in table.looks(2)] == [111]


def test_an_orphan_without_an_environment_ends_when_no_job_runs(table: Table) -> None:
    """It has no environment and a child, and its parent exited before the first scan."""
    table.job("a", 100)
    table.add(110, 1)
    table.add(111, 110)
    assert table.looks() == []
    table.end(100, 101)
    table.add(300, 20)  # a Ray worker running a task that needs no CPU
    assert table.looks() == []
    table.end(300)
    assert [pid for _, pid, _ in table.looks(2)] == [110, 111]


def test_an_entrypoint_is_recognized_before_exec(table: Table) -> None:
    """Between fork and exec, it has its supervisor's environment."""
    table.job("a", 100)
    table.add(101, 100, "")
    table.looks(1)
    table.add(101, 100, "a")
    table.add(110, 101, "a")
    assert table.looks() == []


def test_processes_of_ray_and_of_users_are_left_alone(table: Table) -> None:
    table.add(30, 20, score=0)  # the agent
    table.add(300, 0, score=0)  # docker exec
    table.add(301, 1, score=0)  # its parent has exited
    table.add(400, 1, "x", ours=False)  # belongs to another cluster on this machine
    table.add(401, 1, "", ours=False)
    assert table.looks() == []


def test_a_reused_process_id_is_another_process(table: Table) -> None:
    table.job("a", 100)
    table.add(110, 101, "a")
    table.looks(1)
    table.end(100, 101, 110)
    table.job("b", 200)
    table.processes[110] = table.module.Process((110, 999), 201, 1000, "b", True)
    assert table.looks() == []


def test_reading_proc(leftovers: ModuleType) -> None:
    """A real process with the environment that the Job API gives an entrypoint."""
    config = json.dumps({"runtime_env": {}, "metadata": {"job_submission_id": "a"}})
    env = {"RAY_JOB_CONFIG_JSON_ENV_VAR": config, "RAYDOCK_CLUSTER": "/state"}
    code = "open('/proc/self/oom_score_adj', 'w').write('1000'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = leftovers.read(child.pid, b"RAYDOCK_CLUSTER=/state")
        other = leftovers.read(child.pid, b"RAYDOCK_CLUSTER=/elsewhere")
        child.communicate(b"\n", timeout=600)
    assert (found.key[0], found.parent, found.score) == (child.pid, os.getpid(), 1000)
    assert (found.job, found.ours, other.ours) == ("a", True, False)
    assert leftovers.read(child.pid, b"") is None


@pytest.mark.parametrize("config", [b"", b"{", b"[]", b'{"metadata": null}', b'{"metadata": {}}'])
def test_an_environment_that_names_no_job(leftovers: ModuleType, config: bytes) -> None:
    assert leftovers.job_of(config) == ""


def test_it_exits_with_ray_start(leftovers: ModuleType) -> None:
    with subprocess.Popen(["sleep", "600"]) as starter:
        script = [sys.executable, "-IS", str(ROOT / "docker" / "leftovers.py"), str(starter.pid)]
        with subprocess.Popen(script) as helper:
            starter.send_signal(signal.SIGKILL)
            starter.wait(600)
            assert helper.wait(600) == 0
