"""The life of a cluster, one suite for every kind that runs on this machine, in the order of a life."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import ROOT, Lab, cluster_command, lab_environment

KINDS = [
    pytest.param("processes", marks=pytest.mark.ray),
    pytest.param("docker", marks=pytest.mark.docker),
]
# Says on which node it runs, then waits there.
TASK = """
    import ray, sys, time
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

    ray.init()
    seconds, *nodes = sys.argv[1:]

    @ray.remote(num_cpus=1, max_retries=0)
    def wait(seconds):
        print("WAITING", flush=True)
        time.sleep(seconds)
        return ray.get_runtime_context().get_node_id()

    strategies = [On(node, soft=False) for node in nodes]
    ends = [wait.options(scheduling_strategy=on).remote(float(seconds)) for on in strategies]
    assert ray.get(ends) == nodes
    print("ENDED", flush=True)
"""


def until(check: Callable[[], Any], seconds: float = 120) -> Any:
    """What `check` returns once that is something, within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.2)
    return found


def call(lab: Lab, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = lab.dashboard.request(path)
    request.data = data
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def submit(lab: Lab, script: str, *arguments: str) -> str:
    """Starts a job by the Job API; returns its id."""
    job = f"test-{uuid4().hex[:8]}"
    command = shlex.join(["python", "-c", textwrap.dedent(script), *arguments])
    call(lab, "/api/jobs/", {"entrypoint": command, "submission_id": job})
    return job


def log(lab: Lab, job: str) -> str:
    return str(call(lab, f"/api/jobs/{job}/logs")["logs"])


def ended(lab: Lab, job: str) -> tuple[str, str]:
    """How the job ended, and its log."""
    status = until(
        lambda: (s := call(lab, f"/api/jobs/{job}")["status"]) not in ("PENDING", "RUNNING") and s, 120
    )
    return str(status), log(lab, job)


def nodes(lab: Lab) -> list[dict[str, Any]]:
    done = lab.cluster("status", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["kind"], answer["dashboard"]) == (lab.kind, lab.url)
    return list(answer["nodes"])


def shape(lab: Lab) -> list[tuple[str, str]]:
    return [(node["name"], node["state"]) for node in nodes(lab)]


@pytest.fixture(scope="module", params=KINDS)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cluster of this module's own, which its tests scale, hurt and end."""
    kind: str = request.param
    if kind == "docker":
        request.getfixturevalue("images")
    found = Lab(kind, lab_environment(tmp_path_factory.mktemp("life"), GPU_WORKERS="1"))
    try:
        yield found
    finally:
        done = cluster_command(found.env, "down")
    assert done.returncode == 0, done.stderr


def test_up(lab: Lab) -> None:
    done = lab.cluster("up", "--kind", lab.kind)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(
        f"\nDashboard: {lab.dashboard.link}\nNext:      python submit.py jobs/sklearn_joblib.py\n"
    )
    assert f"cluster: {lab.kind}: as --kind says" in done.stderr


def test_the_first_submission_succeeds_at_once(lab: Lab) -> None:
    status, text = ended(lab, submit(lab, "import sys; print('on', sys.version_info[:2])"))
    assert (status, text.splitlines()[-1]) == ("SUCCEEDED", "on (3, 11)")


def test_the_driver_is_on_the_head(lab: Lab) -> None:
    """Among processes all nodes have one address, by which Ray alone would choose any of them."""
    script = "import ray; ray.init(); print('on', ray.get_runtime_context().get_node_id())"
    status, text = ended(lab, submit(lab, script))
    assert status == "SUCCEEDED"
    assert f"on {nodes(lab)[0]['id']}\n" in text  # a driver that ends at once gets noise of Ray's behind it


def test_status(lab: Lab) -> None:
    done = lab.cluster("status")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NODE", "POOL", "CPUS", "GPUS", "MEMORY", "STATE"]
    columns = [re.split(r"\s{2,}", line) for line in lines[1:5]]
    assert [(row[0], row[1], row[2], row[3], row[5]) for row in columns] == [
        ("head", "head", "0", "0", "ALIVE"),
        ("cpu-worker-1", "cpu-worker", "1", "0", "ALIVE"),
        ("cpu-worker-2", "cpu-worker", "1", "0", "ALIVE"),
        ("gpu-worker-1", "gpu-worker", "1", "1 (simulated)", "ALIVE"),
    ]
    assert lines[5:] == ["", f"Dashboard: {lab.dashboard.link}"]
    assert max(map(len, lines[:-1])) <= 80


def test_every_node_describes_itself(lab: Lab) -> None:
    for node in nodes(lab):
        path = f"/api/v0/logs/file?node_id={node['id']}&filename=raydock-node.json&lines=-1"
        with urllib.request.urlopen(lab.dashboard.request(path), timeout=30) as response:
            text = response.read().decode()
        found = json.loads(text[text.index("{") :])
        assert (found["ray"], found["python"][:4]) == ("2.47.1", "3.11")
        assert "scikit-learn" in found["packages"]


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = nodes(lab)
    done = lab.cluster("up")
    assert done.returncode == 0
    assert "it is up already" in done.stderr
    assert nodes(lab) == before


def test_another_kind_is_refused(lab: Lab) -> None:
    other = "docker" if lab.kind == "processes" else "processes"
    done = lab.cluster("up", "--kind", other)
    assert (done.returncode, done.stderr) == (
        1,
        f"cluster: A cluster of the kind {lab.kind} is here already.\n  Remove it first: make cluster-down\n",
    )


def test_scale_up(lab: Lab) -> None:
    done = lab.cluster("scale", "cpu-worker=3")
    assert done.returncode == 0, done.stderr
    assert [state for name, state in shape(lab) if name.startswith("cpu-worker")] == ["ALIVE"] * 3


def test_scale_down_takes_idle_nodes_and_lets_the_busy_one_work(lab: Lab) -> None:
    busy = next(node for node in nodes(lab) if node["name"] == "cpu-worker-2")
    job = submit(lab, TASK, "20", busy["id"])
    until(lambda: "WAITING" in log(lab, job))
    done = lab.cluster("scale", "cpu-worker=1")
    assert done.returncode == 0, done.stderr
    # It was done before the task: nobody waited for it.
    assert call(lab, f"/api/jobs/{job}")["status"] == "RUNNING"
    assert shape(lab) == [("head", "ALIVE"), ("cpu-worker-2", "ALIVE"), ("gpu-worker-1", "ALIVE")]
    assert ended(lab, job)[0] == "SUCCEEDED"


def test_scale_down_drains_a_busy_node(lab: Lab) -> None:
    """Its task, which must not be run twice, ends well; nothing new is placed there; then it goes."""
    busy = next(node for node in nodes(lab) if node["pool"] == "cpu-worker")
    job = submit(lab, TASK, "10", busy["id"])
    until(lambda: "WAITING" in log(lab, job))
    done = lab.cluster("scale", "cpu-worker=0")
    assert done.returncode == 0, done.stderr
    assert f"draining {busy['name']}: what runs there may end first" in done.stderr
    status, text = ended(lab, job)
    assert (status, text.splitlines()[-1]) == ("SUCCEEDED", "ENDED")
    assert shape(lab) == [("head", "ALIVE"), ("gpu-worker-1", "ALIVE")]


def test_scale_down_does_not_wait_longer_than_it_is_told(lab: Lab) -> None:
    assert lab.cluster("scale", "cpu-worker=1").returncode == 0
    busy = next(node for node in nodes(lab) if node["pool"] == "cpu-worker")
    job = submit(lab, TASK, "600", busy["id"])
    until(lambda: "WAITING" in log(lab, job))
    done = lab.cluster("scale", "cpu-worker=0", "--drain-timeout", "2")
    assert done.returncode == 0, done.stderr
    assert "still busy after 2 s; removed with what ran on it" in done.stderr
    assert ended(lab, job)[0] == "FAILED"


def test_a_killed_worker_is_dead_and_up_starts_it_anew(lab: Lab) -> None:
    before = next(node for node in nodes(lab) if node["name"] == "gpu-worker-1")
    kill(lab, "gpu-worker-1")
    until(lambda: ("gpu-worker-1", "DEAD") in shape(lab), 10)
    assert "DEAD" in lab.cluster("status").stdout
    done = lab.cluster("up")
    assert done.returncode == 0, done.stderr
    after = next(node for node in nodes(lab) if node["name"] == "gpu-worker-1")
    assert (after["state"], after["id"] == before["id"]) == ("ALIVE", False)


def kill(lab: Lab, name: str) -> None:
    """Ends one node as a crash would."""
    if lab.kind == "docker":
        subprocess.run(
            ["docker", "kill", f"{lab.env['COMPOSE_PROJECT_NAME']}-{name}"], check=True, capture_output=True
        )
        return
    from cluster.owned import Owned

    for process in Owned(lab.env["RAYDOCK_STATE"], name).processes():
        process.kill()


def test_down(lab: Lab) -> None:
    done = lab.cluster("down")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Removed: ")
    assert lab.cluster("status").returncode == 4
    assert lab.cluster("scale", "cpu-worker=2").returncode == 4
    assert lab.cluster("down").stdout == "There was nothing to remove.\n"
    if lab.kind == "docker":
        from cluster.engine import connect

        assert connect().belongings(lab.env["COMPOSE_PROJECT_NAME"]) == []
    else:
        assert [path.name for path in Path(lab.env["RAYDOCK_STATE"]).iterdir()] == ["lock"]


def test_up_survives_the_end_of_its_own_process_group(lab: Lab) -> None:
    """Not even a terminal that is closed takes the cluster with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cluster", "up", "--kind", lab.kind],
        cwd=ROOT, env=dict(lab.env), start_new_session=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.wait(timeout=300) == 0
    subprocess.run(["kill", "-HUP", "--", f"-{process.pid}"], check=False, capture_output=True)
    assert {state for _, state in shape(lab)} == {"ALIVE"}
    assert lab.cluster("down").returncode == 0
