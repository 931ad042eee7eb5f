"""`--ephemeral`: a cluster for one job, which is deleted whatever happens, with the log and result kept."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from raydock.errors import RaydockError, ServerError, UsageError
from raydock.rayapi.job import Job
from submit import ephemeral
from submit.errors import PreflightError
from submit.follow.log_file import LogFile
from submit.options import parse
from submit.output import Console
from submit.progress import Progress
from submit.targets import TargetOptions
from submit.targets.ephemeral import create
from tests.command import Ended, ended, environment, start, submit
from tests.fakekube import FakeKube, write_kubeconfig
from tests.fakes import FakeDashboard, FakeJob
from tests.lab import until

WORDS = ("--target", "kuberay", "--ephemeral")


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


@pytest.fixture
def kube(ray: FakeDashboard) -> Iterator[FakeKube]:
    with FakeKube(ray.port) as fake:
        fake.clusters.clear()
        yield fake


@pytest.fixture
def env(kube: FakeKube, tmp_path: Path) -> dict[str, str]:
    config = write_kubeconfig(tmp_path / "config", kube.url)
    (tmp_path / "x.py").write_text("print(1)\n")
    return environment(KUBECONFIG=str(config), RAYDOCK_STATE=str(tmp_path / "state"))


def run(env: dict[str, str], tmp_path: Path, *more: object) -> Ended:
    return submit(*WORDS, *more, tmp_path / "x.py", env=env)


def succeed(job: FakeJob) -> None:
    job.write(b'hello\nRESULT {"version": 1, "job": "x"}\n')
    job.end("SUCCEEDED")


def seen(kube: FakeKube) -> list[dict[str, Any]]:
    """Collects the RayJobs as they are changed."""
    found: list[dict[str, Any]] = []
    operator = kube.job_operator

    def keep(server: FakeKube, job: dict[str, Any]) -> None:
        operator(server, job)
        found.append(json.loads(json.dumps(job)))

    kube.job_operator = keep
    return found


def test_the_cluster_is_deleted_and_log_and_result_are_kept(
    kube: FakeKube, ray: FakeDashboard, env: dict[str, str], tmp_path: Path
) -> None:
    ray.on_submit, jobs = succeed, seen(kube)
    done = run(env, tmp_path, "--deadline", "1h")
    assert done.code == 0, done.err
    assert kube.jobs == {}
    created, adopted = jobs
    spec = created["spec"]
    name = created["metadata"]["name"]
    assert name.startswith("job-x-")
    assert (spec["submissionMode"], spec["shutdownAfterJobFinishes"]) == ("InteractiveMode", True)
    assert (spec["ttlSecondsAfterFinished"], spec["preRunningDeadlineSeconds"]) == (600, 2400)
    assert spec["activeDeadlineSeconds"] == 1800 + 3600 + 600
    assert adopted["spec"]["jobId"] == done.submission_id
    log = tmp_path / "state/results" / f"{done.submission_id}.log"
    assert log.read_bytes() == b'hello\nRESULT {"version": 1, "job": "x"}\n'
    assert log.with_suffix(".json").exists()
    assert f"created RayJob {name} in namespace ray, for this job alone\n" in done.err
    assert done.err.endswith(f"deleted RayJob {name} and its cluster\n")
    assert f"log kept in {log}\n" in done.err


def test_it_is_deleted_after_a_job_that_did_not_succeed(
    kube: FakeKube, ray: FakeDashboard, env: dict[str, str], tmp_path: Path
) -> None:
    ray.on_submit = lambda job: job.end("FAILED")
    assert (run(env, tmp_path).code, kube.jobs) == (1, {})


def test_it_is_deleted_if_a_check_does_not_pass(
    kube: FakeKube, ray: FakeDashboard, env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "x.py").write_text("import nowhere_to_be_found\n")
    done = run(env, tmp_path)
    assert (done.code, kube.jobs, ray.jobs) == (3, {}, {}), done.err
    assert "deleted RayJob job-x-" in done.err


def test_ctrl_c_before_the_job_is_sent_deletes_it(
    kube: FakeKube, env: dict[str, str], tmp_path: Path
) -> None:
    kube.job_operator = lambda server, job: job.update(status={})
    process = start(*WORDS, tmp_path / "x.py", env=env)
    polls = "GET /apis/ray.io/v1/namespaces/ray/rayjobs/"
    until(lambda: sum(one.startswith(polls) for one in kube.requests) > 1)  # the first has been reported
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert (done.code, kube.jobs) == (130, {}), done.err
    assert "has no cluster yet (not seen by KubeRay's operator); waiting (Ctrl-C deletes it)" in done.err


def test_ctrl_c_while_the_job_runs_leaves_the_deletion_to_kuberay(
    kube: FakeKube, ray: FakeDashboard, env: dict[str, str], tmp_path: Path
) -> None:
    process = start(*WORDS, tmp_path / "x.py", env=env)
    until(lambda: any("jobId" in job["spec"] for job in kube.jobs.values()))
    process.send_signal(signal.SIGTERM)
    done = ended(process)
    assert (done.code, len(kube.jobs)) == (130, 1), done.err
    (name,) = kube.jobs
    kept = f"KubeRay deletes the cluster of RayJob {name} 10 min after the job's end, and 24 h 40 min after"
    assert kept in done.err
    assert f"--cluster {name}-abcde attach {done.submission_id}" in done.err
    for job in ray.jobs.values():
        succeed(job)
    flags = ["--target", "kuberay", "--cluster", f"{name}-abcde"]
    attached = submit(*flags, "attach", done.submission_id, env=env)
    assert (attached.code, len(kube.jobs)) == (0, 1)
    assert (tmp_path / "state/results" / f"{done.submission_id}.log").exists()


@pytest.mark.parametrize("delivered", [True, False])
def test_the_cluster_is_kept_until_the_result_is_here(delivered: bool) -> None:
    """Ctrl-C may come between the job's end and the moment when its result is written."""
    deleted, err = list[int](), StringIO()
    target: Any = SimpleNamespace(
        abandon=lambda: True, delete=lambda: deleted.append(1), kept="KubeRay deletes it", job_name="x"
    )
    progress = Progress(sending=True, sent=True, job=Job("x-1", "SUCCEEDED"), delivered=delivered)
    asyncio.run(ephemeral.finish(target, Console(BytesIO(), err), progress))
    assert (len(deleted), err.getvalue()) == (
        (1, "deleted RayJob x and its cluster\n") if delivered else (0, "KubeRay deletes it\n")
    )


@pytest.fixture
def refused(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], RaydockError]:
    """`refused()` is the error with which the target does not become ready."""
    monkeypatch.setenv("KUBECONFIG", env["KUBECONFIG"])

    def attempt() -> RaydockError:
        target = create(TargetOptions(wait=5), "x.py", None, None)
        with pytest.raises(RaydockError) as caught:
            asyncio.run(target.ready(lambda line: None))
        return caught.value

    return attempt


def test_an_operator_that_knows_no_guard_gets_no_cluster(
    kube: FakeKube, refused: Callable[[], RaydockError]
) -> None:
    kube.pruned = {"preRunningDeadlineSeconds"}
    fault = refused()
    assert (type(fault), kube.jobs) == (ServerError, {})
    assert (fault.message, fault.fix) == (
        "The KubeRay of this cluster is too old for clusters that it deletes by itself: it needs 1.7 or later.",
        "use a permanent cluster: leave out --ephemeral, and add --cluster NAME",
    )


def test_the_name_of_a_cluster_is_known_before_it_exists(
    kube: FakeKube, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", env["KUBECONFIG"])
    operator, said = kube.job_operator, list[str]()

    def name_only(server: FakeKube, job: dict[str, Any]) -> None:
        operator(server, job)
        (later,) = server.clusters.items()
        server.clusters.clear()
        server.on_read = lambda: server.clusters.update([later]) if said[1:] else None

    kube.job_operator = name_only
    target = create(TargetOptions(wait=5), "x.py", None, None)
    asyncio.run(target.ready(said.append))
    assert said[1] == f"RayJob {target.job_name} has no cluster yet (waiting); waiting (Ctrl-C deletes it)"
    assert target.cluster
    assert target.cluster.name == f"{target.job_name}-abcde"


def test_an_interrupted_command_creates_nothing_later(kube: FakeKube) -> None:
    target = create(TargetOptions(), "x.py", None, None)
    assert not target.abandon()
    target.create(None)  # type: ignore[arg-type]
    assert not target.created


def test_kuberays_reason_is_reported(kube: FakeKube, refused: Callable[[], RaydockError]) -> None:
    failed = {"jobDeploymentStatus": "ValidationFailed", "message": "no head."}
    kube.job_operator = lambda server, job: job.update(status=failed)
    fault = refused()
    (name,) = kube.jobs
    assert fault.message == f"KubeRay could not start a cluster for RayJob {name}: no head."
    assert fault.fix == f"kubectl --context lab -n ray describe rayjob {name}"


@pytest.mark.parametrize("verb", ["get", "create", "patch", "delete"])
def test_each_missing_verb_is_named_before_anything_is_created(
    kube: FakeKube, refused: Callable[[], RaydockError], verb: str
) -> None:
    kube.denied = {f"{verb} rayjobs.ray.io"}
    fault = refused()
    assert (type(fault), kube.jobs) == (PreflightError, {})
    assert fault.message == f"jane may not {verb} rayjobs.ray.io in namespace ray of context lab."


def test_dry_run_creates_nothing_and_prints_the_rayjob(
    kube: FakeKube, env: dict[str, str], tmp_path: Path
) -> None:
    manifest = tmp_path / "lab.yaml"
    made = {"kind": "RayCluster", "metadata": {"name": "a", "labels": {"kueue.x-k8s.io/queue-name": "q"}}}
    manifest.write_text(yaml.safe_dump({**made, "spec": {"headGroupSpec": {}}}))
    done = run(env, tmp_path, "--dry-run", "--manifest", manifest)
    found = json.loads(done.out)["rayjob"]
    assert (done.code, kube.jobs, found["kind"]) == (0, {}, "RayJob")
    assert found["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "q"}
    assert found["spec"]["rayClusterSpec"] == {"headGroupSpec": {}}
    manifest.write_text("kind: Pod\n")
    with pytest.raises(UsageError, match="is not a RayCluster"):
        create(TargetOptions(), "x.py", manifest, None)


def test_a_log_that_cannot_be_kept_is_shown_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "file"))
    shown: list[bytes] = []
    log = LogFile("a", shown.append)
    for chunk in (b"x", b"y"):
        log.take(chunk)
    log.close()
    assert shown == [b"x", b"y"]
    assert log.note.startswith(f"submit: the log could not be kept in {tmp_path}/file/results/a.log: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ephemeral", "x.py"], "--ephemeral applies only to --target kuberay."),
        ([*WORDS, "--cluster", "a", "x.py"], "--ephemeral creates a cluster of its own, so it takes no --cluster."),
        (["--target", "kuberay", "--manifest", "f", "x.py"], "--manifest applies only to --ephemeral."),
    ],
)  # fmt: skip
def test_flags_that_do_not_fit_together(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert caught.value.message == message
