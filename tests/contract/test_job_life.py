"""One suite over every kind of cluster: a job's whole life through the real command.

Tests that need no Ray also run against the fake dashboard, so the kill test can use it for its many tries.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cluster.state import key
from tests.command import FLAGS, ROOT, Ended, ended, environment, start, submit
from tests.fakekube import FakeKube, write_kubeconfig
from tests.fakes import Drivers, FakeDashboard
from tests.lab import Lab

TICKS = 40  # of the ticking job: some two seconds
PROCESSES = pytest.param("processes", marks=pytest.mark.ray)
DOCKER = pytest.param("docker", marks=pytest.mark.docker)


@contextmanager
def fake_cluster(folder: Path) -> Iterator[FakeDashboard]:
    """The fake dashboard, with jobs that really run as local processes."""
    with FakeDashboard() as ray:
        ray.on_submit = Drivers(ray, folder / "jobs")
        yield ray


@pytest.fixture(scope="session")
def fake_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A fake cluster on this machine."""
    folder = tmp_path_factory.mktemp("fake")
    with fake_cluster(folder) as ray:
        key.ensure(folder / "state")
        yield Lab("fake", {"RAYDOCK_PORT": str(ray.port), "RAYDOCK_STATE": str(folder / "state")})


@pytest.fixture(scope="session")
def fake_kube_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A fake cluster behind the service proxy of a fake Kubernetes API server."""
    folder = tmp_path_factory.mktemp("kube")
    with fake_cluster(folder) as ray, FakeKube(ray.port) as kube:
        env = {"KUBECONFIG": str(write_kubeconfig(folder / "config", kube.url))}
        flags = "--target kuberay --context lab --namespace ray --cluster lab "
        yield Lab("fake", {**env, "RAYDOCK_STATE": str(folder / "state"), FLAGS: flags})


HERE = "tests/contract/test_job_life.py"


def late(test: str) -> pytest.MarkDecorator:
    """Runs on the processes cluster nightly and in Docker in the gate."""
    processes = pytest.param(
        "processes", marks=[pytest.mark.ray, pytest.mark.nightly(f"{HERE}::{test}[docker]")]
    )
    return pytest.mark.parametrize("lab", [processes, DOCKER], indirect=True)


# By default `lab` is each kind of real cluster.
also_on_the_fake = pytest.mark.parametrize("lab", ["fake", "fake_kube", PROCESSES, DOCKER], indirect=True)


@pytest.fixture
def env(lab: Lab) -> dict[str, str]:
    return environment(**lab.reach)


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Path]:
    def write(source: str, name: str = "x.py") -> Path:
        path = tmp_path / name
        path.write_text(source)
        return path

    return write


def printed(out: str) -> str:
    """What the job itself printed: Ray's job manager begins each log with a line of its own."""
    return "".join(line for line in out.splitlines(keepends=True) if "INFO job_manager.py" not in line)


def result_of(done: Ended) -> dict[str, object]:
    lines = [line for line in done.out.splitlines() if line.startswith("RESULT ")]
    assert lines, done.out + done.err
    value: dict[str, object] = json.loads(lines[-1].removeprefix("RESULT "))
    return value


@late("test_a_flag_that_the_job_does_not_know_fails_with_its_own_usage")
def test_a_flag_that_the_job_does_not_know_fails_with_its_own_usage(env: dict[str, str]) -> None:
    done = submit(ROOT / "jobs/sklearn_joblib.py", "--", "--no-such-flag", env=env)
    assert done.code == 1
    assert "usage: sklearn_joblib.py" in done.out
    assert "unrecognized arguments: --no-such-flag" in done.out
    assert "\nFAILED after " in done.err


@also_on_the_fake
def test_an_exception_of_the_job_is_the_end_of_its_log(env: dict[str, str], job: Callable[..., Path]) -> None:
    done = submit(job("import sys\nprint('begun')\nraise ValueError('no such column: label')\n"), env=env)
    assert done.code == 1
    assert printed(done.out).startswith("begun\n")
    assert "ValueError: no such column: label\n" in done.out


@also_on_the_fake
def test_a_stopped_job_ends_5_where_it_is_followed(env: dict[str, str], job: Callable[..., Path]) -> None:
    script = job("import time\nprint('up', flush=True)\ntime.sleep(300)\n")
    process = start("--submission-id", "stops-0101-000000-aaaaaa", script, env=env)
    seen = wait_for_output(process, b"up\n")
    assert submit("stop", "stops-0101-000000-aaaaaa", env=env).said.endswith("ID is STOPPED\n")
    done = ended(process)
    assert (done.code, printed(seen + done.out)) == (5, "up\n")
    assert submit("attach", "stops-0101-000000-aaaaaa", env=env).code == 5


@pytest.mark.parametrize(
    "lab",
    [
        "fake",
        pytest.param(
            "processes",
            marks=[pytest.mark.ray, pytest.mark.nightly(f"{HERE}::test_the_deadline_stops_a_job[docker]")],
        ),
        DOCKER,
    ],
    indirect=True,
)
def test_the_deadline_stops_a_job(lab: Lab, env: dict[str, str], job: Callable[..., Path]) -> None:
    seconds = 1 if lab.kind == "fake" else 15  # Ray may not stop a PENDING job (ray#58353)
    done = submit("--deadline", f"{seconds}s", job("import time\ntime.sleep(300)\n"), env=env)
    assert done.code == 5
    assert f"did not finish within {seconds} s; stopping it." in done.err


KILLED = f"{HERE}::test_a_killed_submitter_leaves_the_job_and_attach_prints_every_line_once"


@pytest.mark.parametrize(
    ("lab", "tries"),
    [
        ("fake", 5),
        pytest.param("fake", 20, marks=pytest.mark.nightly(KILLED)),
        pytest.param("docker", 3, marks=pytest.mark.docker),
        pytest.param("docker", 20, marks=[pytest.mark.docker, pytest.mark.nightly(KILLED)]),
        pytest.param("processes", 20, marks=[pytest.mark.ray, pytest.mark.nightly(KILLED)]),
    ],
    indirect=["lab"],
)
def test_a_killed_submitter_leaves_the_job_and_attach_prints_every_line_once(
    env: dict[str, str], job: Callable[..., Path], tries: int
) -> None:
    """SIGKILL after the first lines, then attach."""
    script = job(
        "import time\n"
        f"for tick in range({TICKS}):\n"
        "    print('tick', tick, flush=True)\n"
        "    time.sleep(0.05)\n"
        "print('RESULT {\"ticks\": %d}' % (tick + 1))\n"
    )
    expected = "".join(f"tick {tick}\n" for tick in range(TICKS)) + f'RESULT {{"ticks": {TICKS}}}\n'

    def one(number: int) -> tuple[int, str]:
        name = f"killed-0101-{number:06d}-{tries:06x}"
        process = start("--submission-id", name, script, env=env)
        wait_for_output(process, b"tick 3\n")
        process.kill()
        process.communicate(timeout=600)
        attached = submit("attach", name, env=env)
        return attached.code, printed(attached.out)

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(one, range(tries)))
    assert ends == [(0, expected)] * tries


@also_on_the_fake
def test_ctrl_c_detaches_and_the_job_ends_by_itself(
    lab: Lab, env: dict[str, str], job: Callable[..., Path], tmp_path: Path
) -> None:
    detached = tmp_path / "detached"
    script = job(
        "import os, sys, time\nprint('up', flush=True)\n"
        "while not os.path.exists(sys.argv[1]):\n    time.sleep(0.05)\nprint('done')\n"
    )
    process = start(script, "--", detached, env=env)
    wait_for_output(process, b"up\n")
    os.kill(process.pid, signal.SIGINT)
    done = ended(process)
    assert done.code == 130
    assert done.said.splitlines()[-1] == (
        f"submit: detached; the job keeps running. Reattach with: python submit.py {env.get(FLAGS, '')}attach ID"
    )
    lab.touch("head", detached)
    attached = submit("attach", done.submission_id, env=env)
    assert (attached.code, printed(attached.out)) == (0, "up\ndone\n")


def test_what_travels_is_there(env: dict[str, str], tmp_path: Path, job: Callable[..., Path]) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part/__init__.py").write_text("from .inner import VALUE\n")
    (tmp_path / "part/inner.py").write_text("VALUE = 'imported'\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").write_text("1,2\n")
    (tmp_path / "private.txt").write_text("stays here\n")
    script = job(
        "# /// script\n# [tool.submit]\n# files = ['data/*.csv']\n# env = ['RAYDOCK_MODE']\n# ///\n"
        "import os, json, ray\n"
        "from part import VALUE\n"
        "@ray.remote(num_cpus=1)\n"
        "def on_a_worker():\n"
        "    return open('data/a.csv').read()\n"
        "ray.init()\n"
        "files = sorted(os.path.join(at, one) for at, _, names in os.walk('.') for one in names if '.pyc' not in one)\n"
        "got = {'value': VALUE, 'csv': ray.get(on_a_worker.remote()), 'files': files}\n"
        "print('RESULT', json.dumps(got | {'mode': os.environ['RAYDOCK_MODE']}))\n"
    )
    done = submit(script, env=env | {"RAYDOCK_MODE": "fast"}, timeout=600)
    assert result_of(done) == {
        "value": "imported",
        "csv": "1,2\n",
        "mode": "fast",
        "files": ["./data/a.csv", "./part/__init__.py", "./part/inner.py", "./x.py"],
    }


@also_on_the_fake
def test_a_changed_file_is_the_one_that_runs(
    env: dict[str, str], tmp_path: Path, job: Callable[..., Path]
) -> None:
    """With `excludes: [".*"]` Ray's own hash covers nothing, and stale code runs (ray#53635)."""
    (tmp_path / "sub").mkdir()
    script = job("import sub.other\n")
    for word in ("first", "second"):
        (tmp_path / "sub/other.py").write_text(f"print('{word}')\n")
        assert printed(submit("--working-dir", tmp_path, script, env=env).out) == f"{word}\n"


def test_preflight_sees_the_real_cluster(env: dict[str, str], lab: Lab, job: Callable[..., Path]) -> None:
    done = submit("check", "--entrypoint-num-cpus", "100", job("print('hello')\n"), env=env)
    assert done.code == 3
    assert "  OK       ray          Ray 2.47.1\n" in done.err
    assert "  OK       python       Python 3.11." in done.err
    assert "The entrypoint requests 100 CPU on one node; the most any node has is 1 CPU." in done.err


def test_the_gpu_is_called_simulated_everywhere(
    env: dict[str, str], lab: Lab, job: Callable[..., Path]
) -> None:
    answer = httpx.get(f"{lab.url}/api/v0/nodes?detail=1", headers=lab.headers, timeout=30).json()
    nodes = answer["data"]["result"]["result"]
    (gpu,) = [
        node for node in nodes if node["state"] == "ALIVE" and node["labels"].get("pool") == "gpu-worker"
    ]
    assert gpu["labels"]["gpu"] == "simulated"
    assert (gpu["resources_total"]["GPU"], gpu["resources_total"]["simulated_gpu"]) == (1, 1)
    assert "1 GPU (simulated)" in submit("check", job("print()\n"), env=env).err
    assert "simulated" in lab.cluster("status").stdout


def test_packages_that_the_cluster_has_are_not_installed_again(
    env: dict[str, str], job: Callable[..., Path]
) -> None:
    script = job("# /// script\n# dependencies = ['scikit-learn>=1', 'pandas', 'ray']\n# ///\n")
    plan = json.loads(submit("--dry-run", script, env=env).out)
    assert set(plan["request"]["runtime_env"]) == {"working_dir"}


@pytest.mark.docker
def test_a_dependency_that_the_cluster_lacks_is_installed_for_the_job(
    docker_lab: Lab, job: Callable[..., Path]
) -> None:
    script = job(
        "# /// script\n# dependencies = ['humanize>=4']\n# ///\nimport humanize\nprint(humanize.intcomma(1234567))\n"
    )
    done = submit(script, env=environment(**docker_lab.reach), timeout=600)
    assert done.code == 0, done.out + done.err
    assert printed(done.out) == "1,234,567\n"
    assert "uploaded, installs humanize>=4)" in done.err


@pytest.mark.nightly("tests/integration/test_docker_closed.py::test_the_stock_command_works_with_the_key")
def test_the_stock_client_works_too(lab: Lab, tmp_path: Path) -> None:
    """`ray job submit --address …` against our cluster."""
    (tmp_path / "y.py").write_text(
        "import ray\nray.init()\nprint('nodes', len([node for node in ray.nodes() if node['Alive']]))\n"
    )
    ray = Path(sys.executable).with_name("ray")
    done = subprocess.run(
        [ray, "job", "submit", "--address", lab.url, "--working-dir", tmp_path, "--", "python", "y.py"],
        env=environment(PYTHONWARNINGS="ignore", RAY_JOB_HEADERS=json.dumps(lab.headers)),
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nodes 4" in done.stdout


@also_on_the_fake
def test_list_shows_what_ran(env: dict[str, str], job: Callable[..., Path]) -> None:
    done = submit(job("print('listed')\n"), env=env)
    listed = submit("list", env=env).out
    assert [done.submission_id, "SUCCEEDED"] in [line.split()[:2] for line in listed.splitlines()]
    assert printed(submit("logs", done.submission_id, env=env).out) == "listed\n"


def wait_for_output(process: subprocess.Popen[bytes], wanted: bytes) -> str:
    """Reads the command's stdout up to `wanted` and returns it."""
    assert process.stdout
    os.set_blocking(process.stdout.fileno(), False)
    seen, deadline = b"", time.monotonic() + 180
    while wanted not in seen:
        over = process.poll() is not None
        part = process.stdout.read() or b""
        assert part or not over, (seen, process.communicate())
        assert time.monotonic() < deadline, seen
        seen += part
        time.sleep(0.01)
    os.set_blocking(process.stdout.fileno(), True)
    return seen.decode()
