"""The profile `kubernetes` in Docker: the manifest's cluster, Workload Identity, a cluster for one job, and the end."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cluster import ports
from cluster.docker.engine import connect
from tests.command import ended, start, submit
from tests.integration.footprint import belongings
from tests.lab import ROOT, Lab, cluster_command, lab_environment, until

CORE = "tests/unit/cloud/kubernetes/test_controller.py::"
pytestmark = [
    pytest.mark.docker,
    pytest.mark.nightly(
        f"{CORE}test_a_cluster_becomes_ready_and_is_deleted_with_all_that_it_owns",
        f"{CORE}test_a_job_gets_a_cluster_that_is_deleted_after_it",
        "tests/unit/cloud/test_workload_identity.py::test_the_google_accounts_policy_decides",
    ),
]
SMALL = {"CPU_WORKERS": "1", "GPU_WORKERS": "0", "HEAD_MEMORY": "2g", "CPU_WORKER_MEMORY": "2g"}
BUILD = 3000  # seconds, with the API server
EMAIL = "trainer@lab-project.iam.gserviceaccount.com"
MEMBER = "serviceAccount:lab-project.svc.id.goog[default/trainer]"


@pytest.fixture(scope="module")
def lab(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`make cluster-up` with the profile, and the environment that it prints."""
    folder = tmp_path_factory.mktemp("kubernetes")
    env = lab_environment(folder, COMPOSE_PROFILES="kubernetes", **SMALL)
    env["KUBERNETES_PORT"] = str(ports.pick(1, {int(env["RAYDOCK_PORT"])})[0])
    try:
        done = cluster_command(env, "up", "--runtime", "docker", timeout=BUILD)
        assert done.returncode == 0, done.stdout + done.stderr
        (line,) = [one for one in done.stdout.splitlines() if one.startswith("export KUBECONFIG=")]
        yield Lab("docker", {**env, "KUBECONFIG": shlex.split(line)[1].partition("=")[2]})
    finally:
        done = cluster_command({**env, "COMPOSE_PROFILES": ""}, "down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert belongings(Lab("docker", env)) == []
    assert not (folder / "kubernetes").exists()


def cluster(lab: Lab, *words: str) -> str:
    """A command on the RayCluster `lab`, which must succeed."""
    done = cluster_command(lab.env, *words, "--target", "kuberay", "--cluster", "lab", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pods(lab: Lab) -> list[str]:
    """The names of the pods' containers."""
    engine = connect()
    try:
        return [one.name for one in engine.containers(lab.project, "kubernetes-pod")]
    finally:
        engine.client.close()


def as_user(lab: Lab, *words: str) -> None:
    """A command with `eval "$(python -m cluster env)"`, which must succeed."""
    python = shlex.quote(sys.executable)
    line = f'eval "$({python} -m cluster env)" && {python} -m {shlex.join(words)}'
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=dict(lab.env), capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_job_meets_the_denial_that_the_check_predicted(lab: Lab) -> None:
    flags = ["--target", "kuberay", "--cluster", "lab"]
    env: Mapping[str, str] = lab.env
    cluster(lab, "up", "--service-account", "trainer", "--yes")
    assert len(pods(lab)) == 2
    refused = submit(*flags, "jobs/whoami.py", env=env)
    assert (refused.code, f"may not act as {EMAIL}" in refused.err) == (3, True), refused.err
    failed = submit(*flags, "--skip-check=storage", "jobs/whoami.py", env=env)
    assert failed.code == 1, failed.err
    assert "Unable to generate access token; IAM returned 403 Forbidden" in failed.out
    as_user(
        lab, "vertex.gcloud", "gcloud", "iam", "service-accounts", "add-iam-policy-binding", EMAIL,
        "--role", "roles/iam.workloadIdentityUser", "--member", MEMBER,
    )  # fmt: skip
    refused = submit(*flags, "jobs/whoami.py", env=env)
    assert (refused.code, "storage.objects.get" in refused.err) == (3, True), refused.err
    for bucket, role in (("lab-data", "objectViewer"), ("lab-models", "objectUser")):
        member = f"--member=serviceAccount:{EMAIL}"
        as_user(lab, "iam", "grant", f"gs://{bucket}", f"--role=roles/storage.{role}", member)
    done = submit(*flags, "jobs/whoami.py", env=env)
    assert (done.code, f"runs as {EMAIL}" in done.out) == (0, True), done.out + done.err


def test_a_cluster_for_one_job_is_created_and_deleted(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(
        "import ray\nray.init()\nprint(ray.get(ray.remote(lambda: 'seen').remote()))\n"
    )
    before = pods(lab)
    process = start("--target", "kuberay", "--ephemeral", tmp_path / "x.py", env=lab.env)
    done = ended(process)
    assert (done.code, "seen" in done.out) == (0, True), done.out + done.err
    until(lambda: pods(lab) == before)


def test_a_deleted_cluster_leaves_no_container(lab: Lab) -> None:
    cluster(lab, "down", "--yes")
    assert pods(lab) == []
