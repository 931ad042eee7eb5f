"""The processes cluster: what it leaves, where it listens, and what it does after a crash."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cluster import ports, record
from cluster.owned import Owned, lives, psutil
from tests.conftest import ROOT, Lab, cluster_command, lab_environment
from tests.integration.test_cluster_kinds import ended, nodes, submit, until

pytestmark = pytest.mark.ray
SMALL = {"CPU_WORKERS": "1", "GPU_WORKERS": "0"}
WORK = "import ray; ray.init(); print(sum(ray.get([ray.remote(lambda n: n).remote(n) for n in range(9)])))"


def environment(directory: Path) -> dict[str, str]:
    """A small cluster on a port that is free, and a Ray of the caller's that is none of its business."""
    [port] = ports.pick(1, taken=set())  # none of those that the system gives to outgoing connections
    more = {**SMALL, "RAYDOCK_PORT": str(port), "RAY_ADDRESS": "http://nowhere:1"}
    return lab_environment(directory / "state", **more)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """The environment of a small cluster that is not up yet; whatever a test leaves is removed."""
    found = Lab("processes", environment(tmp_path))
    try:
        yield found
    finally:
        done = cluster_command(found.env, "down")
    assert done.returncode == 0, done.stderr


def up(lab: Lab) -> record.Record:
    done = lab.cluster("up", "--kind", "processes")
    assert done.returncode == 0, done.stderr
    found = record.load(Path(lab.env["RAYDOCK_STATE"]))
    assert found is not None
    return found


def owned(lab: Lab) -> list[Any]:
    return Owned(lab.env["RAYDOCK_STATE"]).processes()


def asked(processes: list[Any], question: str, *arguments: str) -> list[Any]:
    """The answers of all processes to one of psutil's questions; a worker may end while it is asked."""
    answers: list[Any] = []
    for process in processes:
        with suppress(psutil().Error, FileNotFoundError):
            answers += getattr(process, question)(*arguments)
    return answers


def listening(processes: list[Any]) -> set[tuple[str, int]]:
    """Address and port of every TCP server among them."""
    connections = asked(processes, "net_connections", "tcp")
    return {(found.laddr.ip, found.laddr.port) for found in connections if found.status == "LISTEN"}


def in_use(processes: list[Any]) -> set[str]:
    """Every path below /tmp and /dev/shm that they hold open or are bound to."""
    paths = {file.path for file in asked(processes, "open_files")}
    paths |= {found.laddr for found in asked(processes, "net_connections", "unix")}
    return {path for path in paths if isinstance(path, str) and path.startswith(("/tmp/", "/dev/shm/"))}


def test_it_listens_on_loopback_only_and_leaves_nothing(lab: Lab) -> None:
    found = up(lab)
    status, text = ended(lab, submit(lab, WORK))
    assert (status, text.splitlines()[-1]) == ("SUCCEEDED", "36")
    processes = owned(lab)
    servers, paths = listening(processes), in_use(processes)
    assert {address for address, _ in servers} <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert found.taken() <= {port for _, port in servers}
    assert os.stat(found.temp).st_mode & 0o777 == 0o700
    assert len(paths) > 10
    outside = [path for path in paths if not path.startswith(found.temp + "/")]
    assert outside == []

    done = lab.cluster("down")
    assert done.returncode == 0, done.stderr
    # One that has ended and that init has not fetched yet is no longer there for anybody.
    assert [process for process in processes if lives(process)] == []
    assert [path for path in [*paths, found.temp] if os.path.exists(path)] == []
    assert [port for _, port in servers if not ports.is_free(port)] == []
    assert [word for word in asked(list(psutil().process_iter()), "cmdline") if found.temp in word] == []


def test_the_record_is_for_this_user_only(lab: Lab) -> None:
    up(lab)
    state = Path(lab.env["RAYDOCK_STATE"])
    assert (state.stat().st_mode & 0o777, record.file_in(state).stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_port_that_is_taken(lab: Lab) -> None:
    port = int(lab.env["RAYDOCK_PORT"])
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        done = lab.cluster("up", "--kind", "processes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(
        f"cluster: Port {port} of this machine is taken by another program.\n"
        f"  Choose another one: RAYDOCK_PORT={port + 1} make cluster-up\n"
    )
    assert owned(lab) == []


def test_a_record_of_processes_that_are_gone(lab: Lab) -> None:
    """As after a restart of the machine: the process id in it may be a stranger's now."""
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        head = record.Started("head", "head", stranger.pid, 0, tuple(range(20001, 20011)))
        state = Path(lab.env["RAYDOCK_STATE"])
        record.save(state, record.Record("/tmp/raydock-gone", int(lab.env["RAYDOCK_PORT"]), (head,)))
        assert lab.cluster("status").returncode == 4
        done = lab.cluster("down")
        assert (done.returncode, done.stdout) == (0, "Removed: the record.\n")
        record.save(state, record.Record("/tmp/raydock-gone", int(lab.env["RAYDOCK_PORT"]), (head,)))
        done = lab.cluster("up", "--kind", "processes")
        assert done.returncode == 0, done.stderr
        assert "an earlier cluster ended by itself; removing what it left" in done.stderr
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("when", ["starting the head", "starting cpu-worker-1"])
def test_down_removes_what_an_up_that_was_killed_has_left(lab: Lab, when: str) -> None:
    half_up(lab, when, signal.SIGKILL)
    assert until(lambda: owned(lab), 10)
    done = lab.cluster("down")
    assert done.returncode == 0, done.stderr
    assert owned(lab) == []
    assert not Path(lab.env["RAYDOCK_STATE"], "processes.json").exists()


@pytest.mark.parametrize("when", ["starting the head", "starting cpu-worker-1"])
def test_up_goes_on_where_an_up_that_was_killed_has_stopped(lab: Lab, when: str) -> None:
    half_up(lab, when, signal.SIGKILL)
    before = started(lab)
    up(lab)
    assert set(before) <= set(started(lab))
    assert [(node["name"], node["state"]) for node in nodes(lab)] == [
        ("head", "ALIVE"),
        ("cpu-worker-1", "ALIVE"),
    ]
    assert lab.cluster("up").stderr.startswith("cluster: it is up already")


def test_up_cleans_up_too(lab: Lab) -> None:
    """The head is dead, a worker is not, and the record is gone: only the mark is left."""
    found = up(lab)
    for process in Owned(lab.env["RAYDOCK_STATE"], "head").processes():
        process.kill()
    record.remove(Path(lab.env["RAYDOCK_STATE"]))
    again = up(lab)
    assert again.temp != found.temp
    assert not os.path.exists(found.temp)
    assert [node["state"] for node in nodes(lab)] == ["ALIVE", "ALIVE"]


def test_ctrl_c_during_up(lab: Lab) -> None:
    said = half_up(lab, "starting cpu-worker-1", signal.SIGINT)
    assert said.splitlines()[-2:] == [
        "cluster: Interrupted. Left: head, cpu-worker-1.",
        "  Remove it: make cluster-down",
    ]


def half_up(lab: Lab, when: str, how: signal.Signals) -> str:
    """Starts `up` and sends it a signal when it has said `when`; returns what it said in all."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cluster", "up", "--kind", "processes"],
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
    until(lambda: name in started(lab), 10)
    process.send_signal(how)
    _, rest = process.communicate(timeout=60)
    return said + rest


def started(lab: Lab) -> list[str]:
    found = record.load(Path(lab.env["RAYDOCK_STATE"]))
    return [node.name for node in found.nodes if node.pid] if found else []


def test_a_job_finds_the_environments_python(lab: Lab) -> None:
    up(lab)
    script = "import json, os, sys; print(json.dumps([sys.prefix, os.environ.get('RAY_ADDRESS')]))"
    status, text = ended(lab, submit(lab, script))
    prefix, address = json.loads(text.splitlines()[-1])
    assert (status, prefix) == ("SUCCEEDED", sys.prefix)
    assert address.startswith("127.0.0.1:")
