"""Comparing two clusters, and whether a difference matters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.comparison import job_needs
from cluster.comparison.cluster_summary import ClusterSummary, PoolSummary
from cluster.comparison.diff import Difference, differences
from cluster.comparison.job_needs import Needs
from raydock.errors import UsageError
from raydock.jobscript import header as real_header
from raydock.settings import ROOT
from tests.fakes import FakeDashboard
from tests.unit.cluster.vertex_ai.conftest import Run

HERE = ClusterSummary(
    "2.47.1",
    "3.11.2",
    {"ray": "2.47.1", "scikit-learn": "1.9.1", "pandas": "2.2.0"},
    {
        "head": PoolSummary(1),
        "cpu-worker": PoolSummary(2, 2),
        "gpu-worker": PoolSummary(1, 1, 1, simulated=True),
    },
)
THERE = ClusterSummary(
    "2.47.1",
    "3.11",
    {},
    {"head": PoolSummary(1), "cpu-worker": PoolSummary(2, 32), "gpu-worker": PoolSummary(1, 16, 1)},
)


def matters(there: ClusterSummary, needs: Needs | None = None, here: ClusterSummary = HERE) -> dict[str, str]:
    return {row.what: row.matters for row in differences(here, there, needs, "Vertex AI")}


def test_a_cluster_that_reports_little() -> None:
    assert differences(HERE, THERE, None, "Vertex AI") == [
        Difference("Ray", "2.47.1", "2.47.1", "no: the same"),
        Difference("Python", "3.11.2", "3.11", "no: the same minor version"),
        Difference("head", "1 × 0 CPU", "1 × 0 CPU", "no: the same"),
        Difference("cpu-worker", "2 × 1 CPU", "2 × 16 CPU", "perhaps: a different size"),
        Difference("gpu-worker", "1 × 1 CPU 1 GPU", "1 × 16 CPU 1 GPU", "perhaps: a different size"),
        Difference("worker CPUs", "3", "48", "no: Vertex AI has more"),
        Difference("worker GPUs", "1 simulated", "1", "yes: simulated here"),
        Difference("packages", "3 known", "unknown", "perhaps: not reported; declare what the job needs"),
    ]


def test_another_ray_and_another_python() -> None:
    found = matters(replace(THERE, ray="2.42.0", python="3.10.1"))
    assert found["Ray"] == "yes: a job that runs here may fail there"
    assert found["Python"] == "yes: wheels and pickles are incompatible"
    assert matters(replace(THERE, python=""))["Python"] == "perhaps: not reported"
    found = matters(replace(THERE, python="3.11.2"), Needs(python=">=3.12"))
    assert found["Python"] == "yes: the job requires >=3.12"


def test_the_jobs_requirements_decide() -> None:
    small = replace(THERE, pools={"head": PoolSummary(1), "cpu-worker": PoolSummary(1, 4)})
    found = matters(small, Needs(cpus=8, gpus=1))
    assert found["worker CPUs"] == "yes: the job needs 8"
    assert found["worker GPUs"] == "yes: the job needs 1"
    assert found["gpu-worker"] == "perhaps: Vertex AI has none"
    found = matters(small, Needs(cpus=2))
    assert found["worker CPUs"] == "no: the job needs 2"
    assert found["worker GPUs"] == "no: the job declares no requirement"


def test_packages_that_differ() -> None:
    there = replace(THERE, packages={"ray": "2.47.1", "scikit-learn": "1.7.0", "torch": "2.4"})
    found = {row.what: row for row in differences(HERE, there, None, "Vertex AI")}
    assert found["scikit-learn"] == Difference("scikit-learn", "1.9.1", "1.7.0", "perhaps: a job may use it")
    assert found["pandas"].matters == "perhaps: a job that uses it must declare it"
    assert (found["torch"].local, "ray" in found) == ("-", False)


@pytest.mark.parametrize(
    ("wanted", "version", "said"),
    [
        ("scikit-learn>=1.5", "1.7.0", "no: it satisfies the header"),
        ("scikit-learn", "1.9.1", "no: the same"),
        ("scikit-learn>=1.8", "1.7.0", "no: installed at each job start"),
        ("scikit-learn[x]", "1.9.1", "no: installed at each job start"),
        ("scikit-learn", "", "no: installed at each job start if missing"),
    ],
)
def test_packages_that_a_job_declares(wanted: str, version: str, said: str) -> None:
    there = replace(THERE, packages={"scikit-learn": version} if version else {})
    assert matters(there, Needs(dependencies={"scikit-learn": wanted}))["scikit-learn"] == said


@pytest.mark.parametrize("job", sorted((ROOT / "jobs").glob("*.py")), ids=lambda path: path.name)
def test_headers_are_read_as_the_submitter_does(job: Path) -> None:
    mine, real = job_needs.read_needs(job), real_header.read_header(job.read_text(), job.name)
    assert tuple(mine.dependencies.values()) == real.dependencies
    assert (mine.python, mine.cpus) == (real.requires_python, max(real.needs.cpus, real.entrypoint.cpus))
    assert mine.gpus == max(real.needs.gpus, real.entrypoint.gpus)


def test_an_invalid_header(tmp_path: Path) -> None:
    job = tmp_path / "x.py"
    job.write_text("# /// script\n# dependencies = [\n# ///\n")
    with pytest.raises(UsageError, match="the header is not valid TOML"):
        job_needs.read_needs(job)
    job.write_text("print()\n")
    assert job_needs.read_needs(job) == Needs(str(job))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDashboard]:
    """The local cluster's dashboard."""
    with FakeDashboard() as found:
        monkeypatch.setenv("RAYDOCK_PORT", str(found.port))
        yield found


def test_identical_clusters(run: Run, here: FakeDashboard) -> None:
    run("up", "--yes")
    assert run("diff", "--cluster", "raydock") == (
        0,
        """\
             LOCAL            VERTEX           MATTERS
Ray          2.47.1           2.47.1           no: the same
Python       3.11.9           3.11.9           no: the same
head         1 × 0 CPU        1 × 0 CPU        no: the same
cpu-worker   2 × 1 CPU        2 × 1 CPU        no: the same
gpu-worker   1 × 1 CPU 1 GPU  1 × 1 CPU 1 GPU  no: the same
worker CPUs  3                3                no: the same
worker GPUs  1 simulated      1 simulated      no: the same

Jobs run as
  local   unknown
  vertex  service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com
  matters perhaps: the local cluster does not report its principal
""",
        "",
    )


def test_a_cluster_with_googles_images(run: Run, here: FakeDashboard, ray: FakeDashboard) -> None:
    """It has no description and no labels."""
    run("up", "--yes")
    ray.describes = False
    ray.nodes = [{**node, "labels": {}} for node in ray.nodes]
    status, out, _ = run("diff", "--cluster", "raydock", "--job", str(ROOT / "jobs/tune_forest.py"))
    assert status == 0
    lines = {line[:13].strip(): line.split() for line in out.splitlines()}
    assert lines["Python"][1:3] == ["3.11.9", "3.11"]
    assert lines["scikit-learn"][1:7] == ["1.9.1", *"unknown no: installed at each".split()]  # noqa: SIM905
    assert lines["packages"][1:4] == ["2", "known", "unknown"]
    assert max(map(len, out.splitlines())) <= 80


def test_the_local_cluster_is_not_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYDOCK_PORT", "1")
    run("up", "--yes")
    assert run("diff", "--cluster", "raydock") == (
        4,
        "",
        "cluster: The cluster at http://127.0.0.1:1 does not answer: the connection was refused.\n"
        "  Start the cluster: make cluster-up\n",
    )
