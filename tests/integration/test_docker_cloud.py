"""The lab's Google Cloud in Docker: unmodified clients, identities, expiring tokens, a restart."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from cluster.docker.engine import DockerEngine, connect, find_compose
from tests.command import ROOT, ended, start, submit
from tests.lab import Lab, cluster_command, lab_environment, until
from tests.labcloud import AGENT, TRAINER

pytestmark = pytest.mark.docker

JOBS = ROOT / "tests" / "jobs"
ASKED = ["--read", "gs://closed-bucket/x"]
DENIED = "storage.objects.get on gs://closed-bucket/x"
REFUSED = (
    "does not have storage.objects.get access to the Google Cloud Storage object. "
    "Permission 'storage.objects.get' denied on resource (or it may not exist)."
)
TOKEN = "ya29"


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    found = connect()
    yield found
    found.client.close()


def container(engine: DockerEngine, lab: Lab, service: str) -> Any:
    return engine.containers(lab.env["COMPOSE_PROJECT_NAME"], service)[0]


def iam(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "iam", *words],
        cwd=ROOT, env=dict(lab.env), capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_unmodified_clients_are_the_jobs_identity(docker_lab: Lab, tmp_path: Path) -> None:
    """Eight ways to gs://: each works on an open bucket, and gets its own kind of refusal on the closed one."""
    result = tmp_path / "result.json"
    done = submit("--result", result, JOBS / "storage_clients.py", env=docker_lab.env, timeout=300)
    assert done.code == 0, done.out + done.err
    told = json.loads(result.read_text())["clients"]
    kinds = {name: one["kinds"][0] for name, one in told.items()}
    assert kinds == {
        "google_cloud_storage": "Forbidden",
        "resumable": "Forbidden",
        "fsspec_gcsfs": "OSError",
        "pandas_parquet": "PermissionError",
        "pandas_csv": "OSError",
        "pyarrow_fs": "PermissionError",
        "ray_data": "PermissionError",
        "ray_task": "Forbidden",
    }
    for name, one in told.items():
        assert AGENT.partition(":")[2] in one["text"], name
        assert "closed" not in one
    assert (told["google_cloud_storage"]["open"], told["ray_data"]["open"]) == (3_000_000, 1000)


def test_nodes_reach_each_other_over_http(docker_lab: Lab, tmp_path: Path) -> None:
    done = submit("--result", tmp_path / "r.json", JOBS / "node_to_node.py", env=docker_lab.env, timeout=300)
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "r.json").read_text()) == {"requests": 200, "aiohttp": 200, "urllib": 200}


@pytest.mark.nightly("tests/unit/cloud/test_room.py::test_the_limit_holds_under_concurrent_requests")
def test_a_hundred_jobs_that_start_ray_sent_by_twenty_clients(docker_lab: Lab) -> None:
    """The head holds sixteen of them; every one ends as it should."""

    def client(first: int) -> list[tuple[int, bool]]:
        ends = []
        for number in range(first, 100, 20):
            done = submit(JOBS / "many.py", "--", str(number), env=docker_lab.env, timeout=3600)
            ends.append((done.code - (number % 3 == 0), f"job {number}\n" in done.out))
        return ends

    with ThreadPoolExecutor(20) as clients:
        assert [end for ends in clients.map(client, range(20)) for end in ends] == [(0, True)] * 100


def test_no_job_knows_of_a_stand_in() -> None:
    found = subprocess.run(
        ["git", "grep", "-nE", "EMULATOR|RAYDOCK|metadata.google|GCE_", "--", "jobs/"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    uses = [line for line in found.stdout.splitlines() if "RAYDOCK_SIMULATED_GPU" not in line]
    assert uses == []


def three_steps(lab: Lab, principal: str) -> None:
    """Denied before it is sent; denied by storage when sent all the same; after the printed command both pass."""
    script = ROOT / "jobs" / "whoami.py"
    before = submit(script, "--", *ASKED, env=lab.env)
    assert before.code == 3, before.err
    assert f"{principal} lacks {DENIED}" in before.err
    sent = submit("--skip-check", script, "--", *ASKED, env=lab.env)
    assert sent.code == 1, sent.err
    assert f"{principal.partition(':')[2]} {REFUSED}" in sent.out
    commands = re.findall(r"→ in the lab: python -m (iam grant .*)", before.err)
    assert commands, before.err
    for command in commands:
        granted = iam(lab, *command.split()[1:])
        assert granted.returncode == 0, granted.stderr
    try:
        after = submit(script, "--", *ASKED, env=lab.env)
        assert after.code == 0, after.err
        assert "read    gs://closed-bucket/x: hello from closed-bucket" in after.out
    finally:
        for command in commands:
            words = ("revoke", *command.split()[2:])
            until(lambda: iam(lab, *words).returncode == 0)  # noqa: B023 (called before the next round)


def test_the_three_steps_as_the_service_agent(docker_lab: Lab) -> None:
    three_steps(docker_lab, AGENT)


@pytest.fixture
def trainer_lab(docker_lab: Lab, engine: DockerEngine) -> Iterator[Lab]:
    """The shared cluster, with jobs that run as a custom account: only the cloud is recreated."""
    restart_cloud(engine, docker_lab, LAB_SERVICE_ACCOUNT=TRAINER.partition(":")[2])
    try:
        yield docker_lab
    finally:
        restart_cloud(engine, docker_lab)


def restart_cloud(engine: DockerEngine, lab: Lab, **settings: str) -> None:
    """Recreates the cloud's container with these settings and waits until it is healthy."""
    words = [
        *find_compose(),
        "--project-directory",
        str(ROOT),
        "up",
        "--detach",
        "--wait",
        "--no-deps",
        "cloud",
    ]
    env = {**lab.env, "RAYDOCK_CA_BUNDLE": lab.env.get("RAYDOCK_CA_BUNDLE", ""), **settings}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.nightly(
    "tests/integration/test_docker_vertex_submit.py::test_denied_before_it_is_sent_then_by_storage_then_mended"
)
def test_the_three_steps_as_a_custom_account(trainer_lab: Lab) -> None:
    """The account starts with nothing: even the lab's own buckets are closed to it."""
    three_steps(trainer_lab, TRAINER)


def test_a_lab_file_that_is_wrong_is_told_in_a_sentence(
    engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Before anything starts: see tests/unit/cluster/test_cli.py."""
    folder = tmp_path_factory.mktemp("wrong")
    lab = folder / "lab.yaml"
    lab.write_text((ROOT / "iam" / "lab.yaml").read_text().replace("\nuser:", "\nusr:", 1))
    env = lab_environment(folder / "state", LAB_FILE=str(lab))
    done = cluster_command(env, "up", "--runtime", "docker")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "cluster: The lab's cloud did not start: lab.yaml is invalid: the file has an unknown key 'usr'; "
        "allowed: clusters, groups, job, projects, roles, user, users.\n  Fix lab.yaml\n"
    )
    assert engine.resources(env["COMPOSE_PROJECT_NAME"]) == []


def test_the_probe_asks_as_the_job(docker_lab: Lab) -> None:
    script = ROOT / "jobs" / "whoami.py"
    done = submit("check", "--probe", script, "--", *ASKED, env=docker_lab.env)
    assert done.code == 3, done.err
    assert f"overwrite, as {AGENT} (tested from inside the cluster)" in done.err
    assert f"{AGENT} lacks {DENIED}" in done.err


def test_a_dashboard_that_says_nothing_of_identities(docker_lab: Lab) -> None:
    """By its address alone nobody knows who runs there: unknown, unless the cluster is asked."""
    script, env = ROOT / "jobs" / "whoami.py", dict(docker_lab.env)
    env["RAY_JOB_HEADERS"] = json.dumps({"Authorization": f"Bearer {docker_lab.dashboard.key}"})
    unknown = submit("--address", docker_lab.url, "check", script, env=env)
    assert unknown.code == 3
    assert "UNKNOWN  storage      Could not determine who the job would run as, so " in unknown.err
    settled = submit("--address", docker_lab.url, "check", "--probe", script, env=env)
    assert settled.code == 0, settled.err


def test_a_persons_container_is_the_person(docker_lab: Lab) -> None:
    code = (
        "import google.auth, google.auth.transport.requests as r; from google.cloud import storage; "
        "c, p = google.auth.default(); c.refresh(r.Request()); print(p, c.service_account_email); "
        "print(storage.Client().bucket('closed-bucket').blob('x').download_as_text())"
    )
    names = (
        "COMPOSE_PROJECT_NAME",
        "RAYDOCK_PORT",
        "RAYDOCK_KEY_SHA256",
        "LAB_TOKEN_TTL",
        "RAYDOCK_CA_BUNDLE",
    )
    command = [*find_compose(), "run", "--rm", "--no-deps", "-T", "user", "python", "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env={**docker_lab.env, **{n: docker_lab.env[n] for n in names if n in docker_lab.env}},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["lab-project", "you@example.com", "hello", "from", "closed-bucket"]


def test_a_job_outlives_its_tokens_and_two_kills_of_the_cloud(
    docker_lab: Lab, engine: DockerEngine, tmp_path: Path
) -> None:
    """15-second tokens: no gap and each line once; policies, tokens and objects survive a kill.

    No token appears in logs, files or process lists.
    """
    cloud, name, enough = (
        container(engine, docker_lab, "cloud"),
        "storage-0101-000000-aaaaaa",
        tmp_path / "enough",
    )
    words = ("--submission-id", name, JOBS / "storage_all_the_time.py", "--", "--until", enough)
    process = start(*words, env=docker_lab.env)

    def said() -> list[list[int]]:
        """Each line's number and token count; empty while the job is unknown."""
        with suppress(HTTPError):
            lines = docker_lab.log(name).splitlines()
            return [[int(word) for word in line.split()[1:]] for line in lines if line.startswith("line ")]
        return []

    for _ in range(2):
        before = len(said())
        until(lambda: len(said()) > before + 10)  # noqa: B023 (called before the next round)
        cloud.kill()
        cloud.start()
        wait_healthy(cloud)
    until(lambda: said()[-1][1] >= 4)
    docker_lab.touch("head", enough)
    done = ended(process)
    assert done.code == 0, done.out[-3000:] + done.err
    told = json.loads(done.out.rpartition("RESULT ")[2])
    lines = [int(line.split()[1]) for line in done.out.splitlines() if line.startswith("line ")]
    assert lines == list(range(1, told["done"] + 1))
    assert told["tokens"] >= 4
    assert TOKEN not in done.out + done.err
    look = "grep -rlIs ya29[.]lab /tmp /home; cat /proc/[0-9]*/cmdline | grep -ac 'ya29[.]lab'"
    for service in ("head", "cpu-worker", "cloud"):
        found = container(engine, docker_lab, service)
        assert TOKEN.encode() not in found.logs(), service
        assert found.exec_run(["sh", "-c", look]).output.decode().split() == ["0"], service
    key = docker_lab.dashboard.key
    state = docker_lab.state
    assert {path.name for path in state.rglob("*") if path.is_file() and key in path.read_text()} == {"key"}
    assert (state / "key").stat().st_mode & 0o777 == 0o600
    for found in engine.containers(docker_lab.project):
        assert key not in json.dumps(found.attrs), found.name


def wait_healthy(found: Any) -> None:
    def healthy() -> bool:
        found.reload()
        return bool(found.attrs["State"]["Health"]["Status"] == "healthy")

    until(healthy)


def test_a_runtime_env_installs_through_the_egress_proxy(docker_lab: Lab, tmp_path: Path) -> None:
    """The nodes' network leads nowhere; pip goes through the cloud, by name, and jobs reach nothing else."""
    script = tmp_path / "outside.py"
    script.write_text(
        '# /// script\n# dependencies = ["iniconfig"]\n# ///\n'
        "import iniconfig, socket, urllib.error, urllib.request\nprint('installed', iniconfig.__name__)\n"
        "try:\n    socket.create_connection(('192.0.2.1', 80), 3)\n    print('OUTSIDE')\n"
        "except OSError as e:\n    print('no route:', e.strerror)\n"
        "try:\n    urllib.request.urlopen('http://192.168.0.1/', timeout=5)\n"
        "except OSError as e:\n    print('private:', getattr(e, 'code', e))\n"
    )
    done = submit(script, env=docker_lab.env)
    assert done.code == 0, done.out + done.err
    assert "installed iniconfig" in done.out
    assert "no route: Network is unreachable" in done.out
    assert "OUTSIDE" not in done.out
