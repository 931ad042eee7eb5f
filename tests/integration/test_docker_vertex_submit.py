"""`submit.py --target vertex` in Docker, as the lab's person: every lesson, both identities, tokens of 30 seconds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.engine import find_compose
from tests.command import ROOT
from tests.conftest import cluster_command, lab_environment
from tests.contract.test_lessons import OTHERS, PIPELINE
from tests.labcloud import AGENT, TRAINER

pytestmark = pytest.mark.docker

PACKAGES = sysconfig.get_paths()["purelib"]  # where the SDK is: the person's container borrows it
CLUSTERS = """
import sys, vertex_ray
from google.cloud import aiplatform
from vertex_ray import Resources
aiplatform.init(project="lab-project", location="us-central1")
gpu = Resources(accelerator_type="NVIDIA_TESLA_T4", accelerator_count=1)
vertex_ray.create_ray_cluster(cluster_name="main", worker_node_types=[Resources(node_count=2), gpu])
vertex_ray.create_ray_cluster(cluster_name="trained", service_account=sys.argv[1], worker_node_types=[Resources()])
"""
REFUSED = "does not have storage.objects.get access to the Google Cloud Storage object."


@dataclass(frozen=True)
class Person:
    """The lab's person: a container with this checkout, whose state lies in `home`."""

    env: dict[str, str]
    home: Path

    def run(self, *words: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        mounts = [f"{ROOT}:/checkout:ro", f"{PACKAGES}:/packages:ro", f"{self.home}:/state"]
        inside = {"PYTHONPATH": "/packages", "PYTHONDONTWRITEBYTECODE": "1", "RAYDOCK_STATE": "/state"}
        inside |= {"CPU_WORKERS": "2", "GPU_WORKERS": "0"}  # of the cluster that `cluster up` makes
        options = [word for mount in mounts for word in ("--volume", mount)]
        options += [word for name, value in inside.items() for word in ("--env", f"{name}={value}")]
        command = [
            *find_compose(),
            "--project-directory",
            str(ROOT),
            "run",
            "--rm",
            "--no-deps",
            "-T",
            *options,
        ]
        return subprocess.run(
            [*command, "--workdir", "/checkout", "person", "python", "-W", "ignore", *words],
            cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip

    def submit(self, cluster: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("submit.py", "--target", "vertex", "--cluster", cluster, *words)


@pytest.fixture(scope="module")
def person(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """The lab with the control plane and two of its clusters; removed by `cluster down`."""
    prefix = images["head"].partition("/head:")[0]
    more = {"COMPOSE_PROFILES": "vertex", "RAYDOCK_IMAGE_PREFIX": prefix, "LAB_TOKEN_TTL": "30"}
    env = lab_environment(tmp_path_factory.mktemp("vertex-submit"), **more)
    home = tmp_path_factory.mktemp("person")
    home.chmod(0o777)  # the container's user is another
    done = cluster_command(env, "images", "--build", timeout=3000)
    assert done.returncode == 0, done.stderr
    up = [*find_compose(), "--project-directory", str(ROOT), "up", "--no-build", "--detach", "--wait"]
    try:
        started = subprocess.run(
            [*up, "storage", "cloud", "vertex"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert started.returncode == 0, started.stderr
        found = Person(env, home)
        made = found.run("-c", CLUSTERS, TRAINER.partition(":")[2])
        assert made.returncode == 0, made.stdout + made.stderr
        yield found
    finally:
        ended = cluster_command(env, "down")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("job", [*OTHERS, *PIPELINE])
def test_every_lesson(person: Person, job: str) -> None:
    words = [] if job == "whoami" else ["--", "--smoke-test"]
    done = person.submit("main", "--result", f"/state/{job}.json", f"jobs/{job}.py", *words)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    result = json.loads((person.home / f"{job}.json").read_text())
    assert result["job"] == job
    assert result["nodes"]


@pytest.mark.parametrize(("cluster", "principal"), [("main", AGENT), ("trained", TRAINER)])
def test_denied_before_it_is_sent_then_by_storage_then_mended(
    person: Person, cluster: str, principal: str
) -> None:
    """As the service agent and as the cluster's own account; the mending is the printed command."""
    job = ("jobs/whoami.py", "--", "--read", "gs://closed-bucket/x")
    before = person.submit(cluster, *job)
    assert before.returncode == 3, before.stderr
    assert f"jobs run as {principal}" in before.stderr
    assert f"{principal} has no storage.objects.get on gs://closed-bucket/x" in before.stderr
    sent = person.submit(cluster, "--skip-check", *job)
    assert sent.returncode == 1, sent.stderr
    assert f"{principal.partition(':')[2]} {REFUSED}" in sent.stdout
    commands = [line.split() for line in re.findall(r"→ python (-m iam grant .*)", before.stderr)]
    assert commands
    for command in commands:
        granted = person.run(*command)
        assert granted.returncode == 0, granted.stderr
    try:
        after = person.submit(cluster, *job)
        assert after.returncode == 0, after.stdout[-3000:] + after.stderr
        assert "read    gs://closed-bucket/x: hello from closed-bucket" in after.stdout
    finally:
        for command in commands:
            person.run(*["revoke" if word == "grant" else word for word in command])


SECONDS = int(os.environ.get("RAYDOCK_TICKS", "60"))  # 300 by hand, with five jobs
CODES = (0, 7) if SECONDS < 300 else (0, 7, 0, 7, 0)


def test_jobs_outlive_their_callers_tokens(person: Person) -> None:
    """Several at once, tokens of 30 seconds, a line every 0.1 s: each line once, and the right exit codes."""

    def follow(code: int) -> subprocess.CompletedProcess[str]:
        ticks = ("tests/jobs/ticks.py", "--", str(SECONDS), str(code))
        words = ("tests/jobs/vertex_submit.py", "--target", "vertex", "--cluster", "main", *ticks)
        return person.run(*words, seconds=SECONDS + 240)

    with ThreadPoolExecutor(len(CODES)) as threads:
        ended = list(threads.map(follow, CODES))
    for code, done in zip(CODES, ended, strict=True):
        assert done.returncode == (1 if code else 0), done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("tick ")]
        assert lines == [f"tick {number}" for number in range(SECONDS * 10)]
        assert int(done.stderr.rsplit("RENEWALS ", 1)[1]) >= max(3, SECONDS // 30)


def test_what_names_no_cluster_is_one_sentence(person: Person) -> None:
    both = person.run("submit.py", "--target", "vertex", "check", "jobs/ray_tasks.py")
    assert both.returncode == 2
    assert both.stderr.endswith(
        "submit: lab-project in us-central1 has 2 clusters: main, trained.\n      → add --cluster trained\n"
    )
    none = person.submit("nope", "check", "jobs/ray_tasks.py")
    assert none.returncode == 4
    assert "submit: There is no cluster nope in lab-project in us-central1.\n" in none.stderr


def test_a_cluster_of_compose_yaml_from_up_to_idle(person: Person) -> None:
    """Made, looked at, made smaller, used, kept while it is in use, and deleted when it is idle."""

    def cluster(verb: str, *words: str) -> str:
        done = person.run("-m", "cluster", verb, "--target", "vertex", "--cluster", "composed", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    made = cluster("up", "--yes", "--max-idle", "30m")
    assert "head-node     head, cpu-worker  3      n1-standard-16" in made.replace(
        "head-node  ", "head-node     "
    )
    assert f"jobs run as   {AGENT.partition(':')[2]}" in made
    assert (
        "idle --target vertex --project lab-project --region us-central1 --cluster composed --max-idle 30m"
        in made
    )
    assert '"state": "RUNNING"' in cluster("status", "--json")
    cluster("scale", "cpu-worker=1")
    done = person.submit("composed", "check", "jobs/gpu_tasks.py")
    assert done.returncode == 3, done.stderr
    assert "needs 1 GPU; the whole cluster has 0 GPU" in done.stderr
    assert "composed: kept: no job for" in cluster("idle", "--max-idle", "1h", "--once")
    assert "composed: being deleted: no job for" in cluster("idle", "--max-idle", "1s", "--once")
    gone = person.run("-m", "cluster", "down", "--target", "vertex", "--cluster", "composed", "--yes")
    assert gone.returncode in (0, 1, 2, 4), "it may be gone by now"
    assert '"composed"' not in person.run("-m", "cluster", "status", "--target", "vertex", "--json").stdout
