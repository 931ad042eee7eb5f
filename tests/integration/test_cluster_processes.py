"""The processes cluster: what it leaves, where it listens, and what it does after a crash."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.processes import record
from cluster.processes.loopback import DOCKER
from cluster.processes.process_tree import Owned
from tests.integration.footprint import asked, in_use, listening, owned
from tests.lab import ROOT, Lab, cluster_command, lab_environment, until

pytestmark = pytest.mark.ray
WORK = "import ray; ray.init(); print(sum(ray.get([ray.remote(lambda n: n).remote(n) for n in range(9)])))"
SMALL = {"CPU_WORKERS": "1", "GPU_WORKERS": "0"}
HERE = "tests/integration/test_cluster_processes.py"


def environment(directory: Path) -> dict[str, str]:
    """A small cluster, and a Ray of the caller's that is none of its business."""
    return lab_environment(directory / "state", **SMALL, RAY_ADDRESS="http://nowhere:1")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """The environment of a small cluster that is not up yet; whatever a test leaves is removed."""
    found = Lab("processes", environment(tmp_path))
    try:
        yield found
    finally:
        done = cluster_command(found.env, "down")
    assert done.returncode == 0, done.stderr


def up(lab: Lab) -> record.ProcessesRecord:
    done = lab.cluster("up", "--runtime", "processes")
    assert done.returncode == 0, done.stderr
    found = record.load(Path(lab.env["RAYDOCK_STATE"]))
    assert found is not None
    return found


def test_it_listens_on_loopback_only_and_is_for_this_user_only(processes_lab: Lab) -> None:
    """What `down` leaves of it is looked at in test_cluster_runtimes.py."""
    lab = processes_lab
    status, text = lab.ended(lab.submit(WORK))
    assert status == "SUCCEEDED"
    assert "36" in text.splitlines()  # Ray may print after it
    found = record.load(lab.state)
    assert found is not None
    processes = owned(lab)
    assert {address for address, _ in listening(processes)} <= {"127.0.0.1", "::ffff:127.0.0.1"}
    starting = [word for word in asked(processes, "cmdline") if word.startswith("--python_worker_command=")]
    assert len(starting) == len(lab.shape())
    assert all(str(DOCKER / "setup_worker.py") in word for word in starting)  # see docker/start.py
    folders = (f"{found.temp}/", f"{lab.state}/logs/")
    assert [path for path in in_use(processes) if not path.startswith(folders)] == []
    modes = [os.stat(path).st_mode & 0o777 for path in (found.temp, lab.state, record.path_in(lab.state))]
    assert modes == [0o700, 0o700, 0o600]


def test_a_port_that_is_taken(lab: Lab) -> None:
    port = int(lab.env["RAYDOCK_PORT"])
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        done = lab.cluster("up", "--runtime", "processes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(
        f"cluster: Port {port} is already in use by another program.\n"
        f"  Choose another port: RAYDOCK_PORT={port + 1} make cluster-up\n"
    )
    assert owned(lab) == []


def test_a_record_of_processes_that_are_gone(lab: Lab) -> None:
    """As after a restart of the machine: the process id in it may be a stranger's now."""
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        head = record.NodeProcess("head", "head", stranger.pid, 0, tuple(range(20001, 20011)))
        state = Path(lab.env["RAYDOCK_STATE"])
        record.save(state, record.ProcessesRecord("/tmp/raydock-gone", int(lab.env["RAYDOCK_PORT"]), (head,)))
        assert lab.cluster("status").returncode == 4
        done = lab.cluster("down")
        assert (done.returncode, done.stdout) == (0, "Removed: the record.\n")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


HEAD, WORKER = "starting the head", "starting cpu-worker-1"


@pytest.mark.parametrize(
    "when",
    [
        pytest.param(
            HEAD,
            marks=pytest.mark.nightly(
                f"{HERE}::test_down_removes_what_an_up_that_was_killed_has_left[{WORKER}]",
                f"{HERE}::test_up_goes_on_where_an_up_that_was_killed_has_stopped[{HEAD}]",
            ),
        ),
        WORKER,
    ],
)
def test_down_removes_what_an_up_that_was_killed_has_left(lab: Lab, when: str) -> None:
    half_up(lab, when, signal.SIGKILL)
    assert until(lambda: owned(lab))
    done = lab.cluster("down")
    assert done.returncode == 0, done.stderr
    assert owned(lab) == []
    assert not Path(lab.env["RAYDOCK_STATE"], "processes.json").exists()


@pytest.mark.parametrize(
    "when",
    [
        HEAD,
        pytest.param(
            WORKER,
            marks=pytest.mark.nightly(
                f"{HERE}::test_up_goes_on_where_an_up_that_was_killed_has_stopped[{HEAD}]",
                f"{HERE}::test_down_removes_what_an_up_that_was_killed_has_left[{WORKER}]",
            ),
        ),
    ],
)
def test_up_goes_on_where_an_up_that_was_killed_has_stopped(lab: Lab, when: str) -> None:
    half_up(lab, when, signal.SIGKILL)
    before = started(lab)
    up(lab)
    assert set(before) <= set(started(lab))
    assert lab.shape() == [("head", "ALIVE"), ("cpu-worker-1", "ALIVE")]
    assert lab.cluster("up").stderr.startswith("cluster: the cluster is already up")


@pytest.mark.nightly(
    "tests/unit/cluster/test_down.py::test_up_cleans_up_a_stale_cluster_and_keeps_its_data",
    f"{HERE}::test_up_goes_on_where_an_up_that_was_killed_has_stopped[{HEAD}]",
)
def test_up_cleans_up_too(lab: Lab) -> None:
    """The head is dead, a worker is not, and the record is gone: only the mark is left."""
    found = up(lab)
    for process in Owned(lab.env["RAYDOCK_STATE"], "head").processes():
        process.kill()
    record.remove(Path(lab.env["RAYDOCK_STATE"]))
    again = up(lab)
    assert again.temp != found.temp
    assert not os.path.exists(found.temp)
    assert [node["state"] for node in lab.nodes()] == ["ALIVE", "ALIVE"]


@pytest.mark.nightly(
    "tests/unit/cluster/test_cli.py::test_ctrl_c_says_what_is_still_running",
    f"{HERE}::test_up_goes_on_where_an_up_that_was_killed_has_stopped[{HEAD}]",
)
def test_ctrl_c_during_up(lab: Lab) -> None:
    said = half_up(lab, "starting cpu-worker-1", signal.SIGINT)
    assert said.splitlines()[-2:] == [
        "cluster: Interrupted. Still running: head, cpu-worker-1.",
        "  Remove it: make cluster-down",
    ]


def half_up(lab: Lab, when: str, how: signal.Signals) -> str:
    """Starts `up` and sends it a signal when it has said `when`; returns what it said in all."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cluster", "up", "--runtime", "processes"],
        cwd=ROOT, env=dict(lab.env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = ""
    while when not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    # The node is in the record as soon as its process runs.
    name = when.removeprefix("starting the ").removeprefix("starting ")
    until(lambda: name in started(lab))
    process.send_signal(how)
    _, rest = process.communicate(timeout=600)
    return said + rest


def started(lab: Lab) -> list[str]:
    found = record.load(Path(lab.env["RAYDOCK_STATE"]))
    return [node.name for node in found.nodes if node.pid] if found else []


def test_a_job_finds_the_environments_python(processes_lab: Lab) -> None:
    script = "import json, os, sys; print(json.dumps([sys.prefix, os.environ.get('RAY_ADDRESS')]))"
    status, text = processes_lab.ended(processes_lab.submit(script))
    prefix, address = json.loads(text.splitlines()[-1])
    assert (status, prefix) == ("SUCCEEDED", sys.prefix)
    assert address.startswith("127.0.0.1:")
