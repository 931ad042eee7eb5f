"""The life of a cluster, one suite for every runtime on this machine.

Most tests share a cluster (`lab`) and leave it as they found it: two CPU workers and a GPU worker, all alive.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cluster.processes.process_tree import Owned
from tests.integration.footprint import Footprint, belongings
from tests.lab import ROOT, Lab, cluster_command, lab_environment, until

HERE = "tests/integration/test_cluster_runtimes.py"
PROCESSES = pytest.param("processes", marks=pytest.mark.ray)
DOCKER = pytest.param("docker", marks=pytest.mark.docker)
LATE = pytest.param(
    "processes", marks=[pytest.mark.ray, pytest.mark.nightly(f"{HERE}::test_scale_up_and_down[docker]")]
)
LATE_DOCKER = pytest.param(
    "docker",
    marks=[
        pytest.mark.docker,
        pytest.mark.nightly(
            f"{HERE}::test_from_up_to_down[processes]",
            # `make notebook` and `make cluster-down`
            "tests/integration/test_docker_notebook.py::test_the_link_lets_in_and_nothing_else_does",
        ),
    ],
)
# A task on each of the nodes that runs until a file exists.
TASK = """
    import os, ray, sys, time
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    ray.init()
    file, *nodes = sys.argv[1:]

    @ray.remote(num_cpus=1, max_retries=0)
    def wait():
        print("WAITING", flush=True)
        while not os.path.exists(file):
            time.sleep(0.05)
        return ray.get_runtime_context().get_node_id()

    ends = [wait.options(scheduling_strategy=On(node, soft=False)).remote() for node in nodes]
    assert ray.get(ends) == nodes
    print("ENDED", flush=True)
"""


# Leaves processes behind: one in a session of its own, and a daemon that forked twice.
LEAVES = """
    import os, subprocess, sys

    seconds, quiet = sys.argv[1], {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen(["sleep", seconds], start_new_session=True, **quiet)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", seconds])
        os._exit(0)
    os.wait()
    print("STARTED")
"""
# Ends when there is no such process any more.
GONE = """
    import glob, sys, time

    def living(wanted):
        for name in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                if open(name, "rb").read() == wanted:
                    return True
            except OSError:
                pass

    while living(b"sleep\\0" + sys.argv[1].encode() + b"\\0"):
        time.sleep(0.1)
"""


def busy(lab: Lab, node: str, file: Path) -> str:
    """Starts a job whose task runs on that node until the file exists; returns its id."""
    (found,) = [one["id"] for one in lab.nodes() if one["name"] == node]
    job = lab.submit(TASK, str(file), found)
    until(lambda: "WAITING" in lab.log(job))
    return job


@pytest.fixture
def full(lab: Lab) -> Iterator[Lab]:
    """The shared cluster, restored to its size after the test."""
    yield lab
    for words in (("up",), ("scale", "cpu-worker=2")):
        done = lab.cluster(*words)
        assert done.returncode == 0, done.stderr
    assert sorted(lab.shape()) == [
        (name, "ALIVE") for name in sorted(["head", "gpu-worker-1", *cpu_workers(lab)])
    ]
    assert len(cpu_workers(lab)) == 2


def cpu_workers(lab: Lab) -> list[str]:
    """The names of those that are alive."""
    return [name for name, state in lab.shape() if name.startswith("cpu-worker") and state == "ALIVE"]


@pytest.fixture(params=[PROCESSES, LATE_DOCKER])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """The settings of a small cluster that is not up yet."""
    kind: str = request.param
    if kind == "docker":
        request.getfixturevalue("images")
    found = Lab(kind, lab_environment(tmp_path / "state", CPU_WORKERS="1", GPU_WORKERS="0"))
    try:
        yield found
    finally:
        done = cluster_command(found.env, "down")
    assert done.returncode == 0, done.stderr


def test_from_up_to_down(own: Lab) -> None:
    """`up` survives its terminal, a job runs at once, and `down` leaves nothing behind."""
    words, why = ["--runtime", "processes"], "chosen with --runtime"
    if own.kind == "docker":
        words, why = [], f"using Docker {docker_version()} at "
    up = subprocess.Popen(
        [sys.executable, "-m", "cluster", "up", *words],
        cwd=ROOT, env=dict(own.env), start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    out, err = up.communicate(timeout=300)
    assert up.returncode == 0, err
    with suppress(ProcessLookupError):
        os.killpg(up.pid, signal.SIGHUP)  # the terminal is closed
    assert f"cluster: {own.kind}: {why}" in err
    assert out.endswith(
        f"\nDashboard:\n{own.dashboard.link}\n\nNext:\npython submit.py jobs/sklearn_joblib.py\n"
    )
    status, text = own.ended(own.submit("import sys; print('on', sys.version_info[:2])"))
    assert (status, text.splitlines()[-1]) == ("SUCCEEDED", "on (3, 11)")
    assert own.shape() == [("head", "ALIVE"), ("cpu-worker-1", "ALIVE")]

    left = Footprint.of(own)
    done = own.cluster("down", "--keep-data")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Removed: ")
    assert done.stdout.endswith("\nKept: the lab's buckets, objects and grants.\n")
    kept = [f"{own.state}/lab-data"]
    if own.kind == "docker":
        kept = [f"volume {own.project}_cloud", f"volume {own.project}_storage"]
        assert belongings(own) == kept
    assert own.cluster("down").stdout == f"Removed: {', '.join(kept)}.\n"
    assert left.remains() == []
    assert own.cluster("status").returncode == 4
    assert own.cluster("scale", "cpu-worker=2").returncode == 4
    assert own.cluster("down").stdout == "Nothing to remove.\n"


def docker_version() -> str:
    from cluster.docker.engine import connect

    engine = connect()
    engine.client.close()
    return engine.version


def test_the_driver_is_on_the_head(lab: Lab) -> None:
    """Among processes all nodes have one address, by which Ray alone would choose any of them."""
    script = "import ray; ray.init(); print('on', ray.get_runtime_context().get_node_id())"
    status, text = lab.ended(lab.submit(script))
    assert status == "SUCCEEDED"
    assert f"on {lab.nodes()[0]['id']}\n" in text  # Ray may print after it


def test_what_a_job_leaves_on_the_head_ends_with_it(lab: Lab) -> None:
    """Though another job runs meanwhile, which keeps its own."""
    seconds = str(100_000 + os.getpid())
    keeps = lab.submit("import subprocess; subprocess.run(['sleep', '1000'])")
    until(lambda: lab.status(keeps) == "RUNNING")
    status, text = lab.ended(lab.submit(LEAVES, seconds))
    assert (status, text.splitlines()[-1]) == ("SUCCEEDED", "STARTED")
    assert lab.ended(lab.submit(GONE, seconds))[0] == "SUCCEEDED"
    assert lab.status(keeps) == "RUNNING"
    lab.call(f"/api/jobs/{keeps}/stop", {})
    assert lab.ended(keeps)[0] == "STOPPED"


def test_status(lab: Lab) -> None:
    done = lab.cluster("status")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NODE", "POOL", "CPUS", "GPUS", "MEMORY", "STATE"]
    columns = [re.split(r"\s{2,}", line) for line in lines[1:5]]
    assert [(row[0], row[1], row[2], row[3], row[5]) for row in columns] == [
        ("head", "head", "0", "0", "ALIVE"),
        *((name, "cpu-worker", "1", "0", "ALIVE") for name in cpu_workers(lab)),
        ("gpu-worker-1", "gpu-worker", "1", "1 (simulated)", "ALIVE"),
    ]
    assert lines[5:] == ["", "Dashboard:", lab.dashboard.link]
    assert max(map(len, lines[:-1])) <= 80


def test_the_dashboard_shows_the_same_names(lab: Lab) -> None:
    """The host names, which the agents report some time after a node's start."""

    def shown() -> list[str]:
        nodes = lab.call("/nodes?view=summary")["data"]["summary"]
        return sorted(node.get("hostname", "") for node in nodes if node["raylet"]["state"] == "ALIVE")

    until(lambda: shown() == sorted(name for name, _ in lab.shape()))


def test_every_node_describes_itself(lab: Lab) -> None:
    for node in lab.nodes():
        path = f"/api/v0/logs/file?node_id={node['id']}&filename=raydock-node.json&lines=-1"
        request = urllib.request.Request(lab.url + path, headers=lab.headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read().decode()
        found = json.loads(text[text.index("{") :])
        assert (found["ray"], found["python"][:4]) == ("2.47.1", "3.11")
        assert "scikit-learn" in found["packages"]


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = lab.nodes()
    done = lab.cluster("up")
    assert done.returncode == 0
    assert "the cluster is already up" in done.stderr
    assert lab.nodes() == before


def test_another_runtime_is_refused(lab: Lab) -> None:
    other = "docker" if lab.kind == "processes" else "processes"
    done = lab.cluster("up", "--runtime", other)
    assert (done.returncode, done.stderr) == (
        1,
        f"cluster: A cluster already exists on runtime {lab.kind}.\n  Remove it first: make cluster-down\n",
    )


@pytest.mark.parametrize("lab", [LATE, DOCKER], indirect=True)
def test_scale_up_and_down(full: Lab, tmp_path: Path) -> None:
    """Idle nodes go first. A busy node that must go may finish its task, but no longer than the timeout."""
    lab, stays = full, cpu_workers(full)[1]
    done = lab.cluster("scale", "cpu-worker=3")
    assert done.returncode == 0, done.stderr
    assert len(cpu_workers(lab)) == 3

    job = busy(lab, stays, tmp_path / "go")
    done = lab.cluster("scale", "cpu-worker=1")
    assert done.returncode == 0, done.stderr
    assert lab.status(job) == "RUNNING"
    assert lab.shape() == [("head", "ALIVE"), (stays, "ALIVE"), ("gpu-worker-1", "ALIVE")]

    # Its task, which must not run twice, succeeds; then the node goes.
    scaling = subprocess.Popen(
        [sys.executable, "-m", "cluster", "scale", "cpu-worker=0"],
        cwd=ROOT, env=dict(lab.env), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert scaling.stderr is not None
    said = iter(scaling.stderr.readline, "")
    assert any(f"draining {stays}: waiting for running tasks to finish" in line for line in said)
    time.sleep(1)  # it waits
    assert scaling.poll() is None
    lab.touch(stays, tmp_path / "go")
    assert (scaling.wait(600), lab.ended(job)[0]) == (0, "SUCCEEDED")
    scaling.stderr.close()
    assert "ENDED" in lab.log(job).splitlines()
    assert lab.shape() == [("head", "ALIVE"), ("gpu-worker-1", "ALIVE")]
    if lab.kind == "docker":
        assert [name for name in belongings(lab) if "cpu-worker" in str(name)] == []

    assert lab.cluster("scale", "cpu-worker=1").returncode == 0
    job = busy(lab, cpu_workers(lab)[0], tmp_path / "never")
    done = lab.cluster("scale", "cpu-worker=0", "--drain-timeout", "2")
    assert done.returncode == 0, done.stderr
    assert "removing nodes that were still busy after 2 s" in done.stderr
    assert lab.ended(job)[0] == "FAILED"


def test_a_killed_worker_is_dead_and_up_starts_it_anew(full: Lab) -> None:
    lab = full
    before = next(node for node in lab.nodes() if node["name"] == "gpu-worker-1")
    kill(lab, "gpu-worker-1")
    until(lambda: ("gpu-worker-1", "DEAD") in lab.shape())
    assert "DEAD" in lab.cluster("status").stdout
    done = lab.cluster("up")
    assert done.returncode == 0, done.stderr
    after = next(node for node in lab.nodes() if node["name"] == "gpu-worker-1")
    assert (after["state"], after["id"] == before["id"]) == ("ALIVE", False)


def kill(lab: Lab, name: str) -> None:
    """Ends one node as a crash would."""
    if lab.kind == "docker":
        subprocess.run(["docker", "kill", f"{lab.project}-{name}"], check=True, capture_output=True)
        return
    for process in Owned(lab.env["RAYDOCK_STATE"], name).processes():
        process.kill()
