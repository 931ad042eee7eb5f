"""`submit.py --target vertex` in Docker, as the lab's user: lessons, both identities, tokens that end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contract.jobs.running import check
from tests.contract.test_lessons import ARGUMENTS, LESSONS, feed, in_gate
from tests.integration.vertexlab import VertexLab
from tests.lab import ROOT
from tests.labcloud import AGENT, TRAINER

pytestmark = pytest.mark.docker

REFUSED = "does not have storage.objects.get access to the Google Cloud Storage object."
# One reads and writes an object, one writes many from tasks, one goes from bucket to bucket.
IN_GATE = ("whoami", "make_data", "csv_to_parquet")
NIGHTLY = [job for job in LESSONS if job not in IN_GATE]


@pytest.mark.parametrize(
    "job",
    [
        *IN_GATE,
        *(pytest.param(job, marks=pytest.mark.nightly(in_gate(job))) for job in NIGHTLY),
    ],
)
def test_every_lesson(clusters: VertexLab, job: str) -> None:
    feed(clusters.project, job, lambda first: clusters.send("main", f"jobs/{first}.py", "--", "--smoke-test"))
    words = ["--", *ARGUMENTS.get(job, ["--smoke-test"])]
    done = clusters.send("main", "--result", f"/state/{job}.json", f"jobs/{job}.py", *words)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    check(json.loads((clusters.home / f"{job}.json").read_text()), job)


@pytest.mark.parametrize(
    ("cluster", "principal"),
    [
        pytest.param(
            "main",
            AGENT,
            marks=pytest.mark.nightly(
                "tests/integration/test_docker_cloud.py::test_the_three_steps_as_the_service_agent"
            ),
        ),
        ("trained", TRAINER),
    ],
)
def test_denied_before_it_is_sent_then_by_storage_then_mended(
    clusters: VertexLab, cluster: str, principal: str
) -> None:
    """As the service agent and as the cluster's own account; the mending is the printed command."""
    job = ("jobs/whoami.py", "--", "--read", "gs://closed-bucket/x")
    before = clusters.send(cluster, *job)
    assert before.returncode == 3, before.stderr
    assert f"jobs run as {principal}" in before.stderr
    assert f"{principal} lacks storage.objects.get on gs://closed-bucket/x" in before.stderr
    sent = clusters.send(cluster, "--skip-check", *job)
    assert sent.returncode == 1, sent.stderr
    assert f"{principal.partition(':')[2]} {REFUSED}" in sent.stdout
    commands = [line.split() for line in re.findall(r"→ python (-m iam grant .*)", before.stderr)]
    assert commands
    for command in commands:
        granted = clusters.user(*command)
        assert granted.returncode == 0, granted.stderr
    try:
        after = clusters.send(cluster, *job)
        assert after.returncode == 0, after.stdout[-3000:] + after.stderr
        assert "read    gs://closed-bucket/x: hello from closed-bucket" in after.stdout
    finally:
        for command in commands:
            clusters.user(*["revoke" if word == "grant" else word for word in command])


@pytest.fixture
def short_tokens(clusters: VertexLab, request: pytest.FixtureRequest) -> Iterator[int]:
    """Recreates the cloud with tokens that last so many seconds."""
    seconds: int = request.param
    clusters.restart("cloud", LAB_TOKEN_TTL=str(seconds))
    try:
        yield seconds
    finally:
        clusters.restart("cloud")


HERE = "tests/integration/test_docker_vertex_submit.py::test_jobs_outlive_their_callers_tokens"
TICKS = [
    pytest.param(6, 20, (0, 7), id="20s"),
    pytest.param(30, 300, (0, 7, 0, 7, 0), id="300s", marks=pytest.mark.nightly(f"{HERE}[20s]")),
]


@pytest.mark.parametrize(("short_tokens", "seconds", "codes"), TICKS, indirect=["short_tokens"])
def test_jobs_outlive_their_callers_tokens(
    clusters: VertexLab, short_tokens: int, seconds: int, codes: tuple[int, ...]
) -> None:
    """Several at once, a line every 0.1 s: each line once, and the right exit codes."""

    def follow(code: int) -> subprocess.CompletedProcess[str]:
        ticks = ("tests/jobs/ticks.py", "--", str(seconds), str(code))
        words = ("tests/jobs/vertex_submit.py", "--target", "vertex", "--cluster", "main", *ticks)
        return clusters.user(*words, seconds=seconds + 600)

    with ThreadPoolExecutor(len(codes)) as threads:
        ended = list(threads.map(follow, codes))
    for code, done in zip(codes, ended, strict=True):
        assert done.returncode == (1 if code else 0), done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("tick ")]
        assert lines == [f"tick {number}" for number in range(seconds * 10)]
        assert int(done.stderr.rsplit("RENEWALS ", 1)[1]) >= seconds // short_tokens


def test_what_names_no_cluster_is_one_sentence(clusters: VertexLab) -> None:
    both = clusters.user("submit.py", "--target", "vertex", "check", "jobs/ray_tasks.py")
    assert both.returncode == 2
    assert both.stderr.endswith(
        "submit: There are 2 Ray clusters in lab-project, us-central1: main, trained.\n      → add --cluster trained\n"
    )
    none = clusters.send("nope", "check", "jobs/ray_tasks.py")
    assert none.returncode == 4
    assert "submit: There is no cluster nope in lab-project, us-central1.\n" in none.stderr


def test_a_cluster_of_compose_yaml_from_up_to_idle(clusters: VertexLab) -> None:
    """Made, looked at, made smaller, used, kept while it is in use, and deleted when it is idle."""

    def cluster(verb: str, *words: str) -> str:
        done = clusters.user("-m", "cluster", verb, "--target", "vertex", "--cluster", "composed", *words)
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
    done = clusters.send("composed", "check", "jobs/gpu_tasks.py")
    assert done.returncode == 3, done.stderr
    assert "needs 1 GPU; the whole cluster has 0 GPU" in done.stderr
    assert "composed: kept: no job for" in cluster("idle", "--max-idle", "1h", "--once")
    assert "composed: deleting it: no job for" in cluster("idle", "--max-idle", "1s", "--once")
    gone = clusters.user("-m", "cluster", "down", "--target", "vertex", "--cluster", "composed", "--yes")
    assert gone.returncode in (0, 1, 2, 4), "it may be gone by now"
    assert '"composed"' not in clusters.user("-m", "cluster", "status", "--target", "vertex", "--json").stdout


def test_the_docs_commands_for_this_machine_as_written(clusters: VertexLab, tmp_path: Path) -> None:
    """Those under "From this machine", with the name of a cluster, in one shell without any container."""
    page = (ROOT / "docs" / "vertex-in-the-lab.md").read_text(encoding="utf-8")
    section = page.partition("## From this machine")[2].partition("\n## ")[0]
    lines = [line for block in section.split("```")[1::2] for line in block.strip().splitlines()]
    lines = [line.replace("NAME", "main") for line in lines if " down " not in line]
    assert len(lines) == 4
    script = "set -ex\n" + "\n".join(lines) + f"\npython {ROOT}/tests/jobs/host_client.py\n"
    env = {
        **clusters.env,
        "PATH": f"{Path(sys.executable).parent}:{clusters.env['PATH']}",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "using the lab's Vertex AI at http://127.0.0.1:" in done.stderr
    assert "wrote   gs://lab-models/whoami.txt" in done.stdout
    assert "persistentResources/main" in done.stdout
    assert 'TOLD {"A": "b"}' in done.stdout


def test_gcloud_and_the_documented_commands_in_the_notebooks_container(clusters: VertexLab) -> None:
    """By `docker compose exec`, without the environment that the entrypoint sets."""

    def inside(command: str) -> str:
        return clusters.compose("exec", "-T", "notebook", "sh", "-c", command)

    number = "gcloud projects list --filter=\"PROJECT_ID:'lab-project'\" --format='value(PROJECT_NUMBER)'"
    assert inside(number) == "123456789012\n"
    assert "main" in inside("gcloud ai persistent-resources list --region=us-central1")
    assert "hello from lab-data" in inside("gsutil cat gs://lab-data/hello.txt")
    assert "main" in inside("python -m cluster status --target vertex")
    assert "user:you@example.com" in inside("python -m iam whoami")
    assert "gcloud --help" in inside("gcloud compute instances list 2>&1 || [ $? = 2 ]")
    token = inside("cat $JUPYTER_TOKEN_FILE")
    address = f"http://127.0.0.1:{clusters.env['NOTEBOOK_PORT']}/api/terminals?token={token}"
    with urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=60) as reply:
        assert json.loads(reply.read())["name"]
