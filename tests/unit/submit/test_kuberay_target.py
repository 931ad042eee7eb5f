"""`--target kuberay`: choosing a cluster, the caller's access, waiting, and the way to the dashboard."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kuberay import access, lookup
from raydock import waiting
from raydock.errors import RaydockError, ServerError, Unreachable, UsageError
from raydock.gcp.clouds import JobIdentity
from raydock.rayapi.cluster_info import NodeResources
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job
from submit.errors import PreflightError
from submit.follow.follower import Follower, Messages
from submit.follow.log import Log
from submit.follow.polling import PollIntervals
from submit.options import parse
from submit.targets import TargetOptions
from submit.targets.kuberay import KuberayTarget
from tests.command import environment, submit
from tests.fakekube import TOKEN, FakeKube, group, raycluster, write_kubeconfig
from tests.fakes import Answer, FakeDashboard, FakeJob
from tests.lab import until

QUICK = PollIntervals(min=0.001, max=0.001, idle=0.001, retry=0.001, outage_timeout=600, bytes_per_second=1e9)
ADMIN = "an administrator of the namespace grants it:\n"


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


@pytest.fixture
def kube(ray: FakeDashboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKube]:
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(waiting, "LONGEST_PAUSE", 0.001)
    monkeypatch.delenv(lookup.TOKEN, raising=False)
    with FakeKube(ray.port) as fake:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "config", fake.url)))
        yield fake


def ready(cluster: str = "lab", seconds: float = 5, **more: Any) -> tuple[KuberayTarget, list[str]]:
    target = KuberayTarget(TargetOptions(cluster=cluster, wait=seconds, **more))
    messages: list[str] = []
    asyncio.run(target.ready(messages.append))
    return target, messages


def refused(cluster: str = "lab", **more: Any) -> RaydockError:
    with pytest.raises(RaydockError) as caught:
        ready(cluster, **more)
    return caught.value


@pytest.mark.parametrize("named", ["lab", ""])
def test_the_cluster_is_found_and_described(kube: FakeKube, named: str) -> None:
    target, messages = ready(named)
    assert messages == [
        "cluster lab in namespace ray of context lab: ready, Ray 2.47.1; jobs run as the Kubernetes service accounts "
        "ray-head (head), default (cpu-worker)"
    ]
    assert target.flags == "--target kuberay --context lab --namespace ray --cluster lab "
    proxy = "/api/v1/namespaces/ray/services/lab-head-svc:dashboard/proxy"
    assert target.connect().base_url == kube.url + proxy
    assert (target.connect().page, target.connect().page_needs) == (
        f"http://127.0.0.1:8001{proxy}",
        "kubectl --context lab proxy",
    )


def asked(target: KuberayTarget) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with Dashboard(target) as dashboard:
            return dict(await dashboard.version())

    return asyncio.run(ask())


def test_the_proxy_passes_on_rays_token_and_not_the_callers(
    kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube.clusters["lab"]["spec"]["authOptions"] = {"mode": "token"}
    target = KuberayTarget(TargetOptions(cluster="lab"))
    with pytest.raises(UsageError) as caught:
        asked(target)
    assert caught.value.fix == (
        "export RAY_AUTH_TOKEN=$(kubectl --context lab -n ray get secret lab -o jsonpath='{.data.auth_token}' "
        "| base64 -d)"
    )
    monkeypatch.setenv(lookup.TOKEN, "rays")
    assert asked(target)["ray_version"] == "2.47.1"
    (passed,) = kube.proxied_headers
    assert passed["X-Ray-Authorization"] == "Bearer rays"
    assert TOKEN not in str(passed)


def test_a_service_without_pods_is_reported_in_the_servers_words(kube: FakeKube) -> None:
    kube.endpoints = False
    target, _ = ready()
    with pytest.raises(Unreachable) as caught:
        asked(target)
    assert caught.value.message == (
        f"The cluster at {target.connect().base_url} does not answer: "
        'no endpoints available for service "lab-head-svc:dashboard".'
    )
    assert caught.value.fix == "check the cluster: kubectl --context lab -n ray describe raycluster lab"


VERBS = [
    (one.verb, one.full_resource) for one in (*access.needed_for("lab", "lab-head-svc"), access.LIST_CLUSTERS)
]


@pytest.mark.parametrize(("verb", "resource"), VERBS)
def test_each_missing_verb_is_named_before_anything_is_sent(
    kube: FakeKube, ray: FakeDashboard, verb: str, resource: str
) -> None:
    kube.denied = {f"{verb} {resource}"}
    fault = refused("" if verb == "list" else "lab")
    role = f"raydock-{verb}-{resource.replace('/', '-').replace('.', '-')}"
    assert isinstance(fault, PreflightError)
    assert fault.message == f"jane may not {verb} {resource} in namespace ray of context lab."
    assert fault.fix == (
        f"{ADMIN}kubectl --context lab -n ray create role {role} --verb={verb} --resource={resource}\n"
        f"kubectl --context lab -n ray create rolebinding {role} --role={role} --user=jane"
    )
    assert ray.requests == []


def test_reading_a_log_needs_no_verb_that_submits(kube: FakeKube) -> None:
    kube.denied = {"create services/proxy", "update services/proxy"}
    words = ["--target", "kuberay", "--cluster", "lab"]
    asyncio.run(KuberayTarget(parse([*words, "logs", "ID"]).target_options).ready(print))
    with pytest.raises(PreflightError, match="jane may not create services/proxy in"):
        asyncio.run(KuberayTarget(parse([*words, "stop", "ID"]).target_options).ready(print))


def test_a_head_service_of_another_name_is_what_is_reviewed(kube: FakeKube) -> None:
    kube.clusters["lab"]["status"]["head"]["serviceName"] = "own"
    target, _ = ready()
    assert "/services/own:dashboard/" in target.connect().base_url
    assert {("update", "own:dashboard"), ("create", "own:dashboard")} <= set(kube.reviewed)


@pytest.mark.parametrize(
    ("cluster", "more", "kind", "message", "fix"),
    [
        ("nope", {}, ServerError, "There is no RayCluster nope in namespace ray of context lab.",
         "to list them: kubectl --context lab get rayclusters --all-namespaces"),
        ("lab", {"context": "other"}, ServerError, "There is no namespace elsewhere in the cluster of context other.",
         "to list them: kubectl --context other get namespaces"),
        ("", {"namespace": "gone"}, ServerError, "There is no namespace gone in the cluster of context lab.",
         "to list them: kubectl --context lab get namespaces"),
        ("lab", {"context": "nope"}, UsageError, None, "--context lab"),
    ],
)  # fmt: skip
def test_what_does_not_exist(
    kube: FakeKube, cluster: str, more: dict[str, str], kind: type, message: str | None, fix: str
) -> None:
    fault = refused(cluster, **more)
    assert isinstance(fault, kind)
    assert fault.fix == fix
    if message:
        assert fault.message == message


def test_one_of_several_clusters_has_to_be_named(kube: FakeKube) -> None:
    kube.clusters["two"] = raycluster("two")
    fault = refused("")
    assert (fault.message, fault.fix) == (
        "There are 2 RayClusters in namespace ray of context lab: lab, two.",
        "add --cluster lab",
    )
    kube.clusters.clear()
    assert refused("").message == "There are no RayClusters in namespace ray of context lab."
    kube.kuberay = False
    assert refused("lab").message == (
        "The cluster of context lab does not have KubeRay: it has no resource rayclusters.ray.io."
    )


def test_rejected_credentials_name_the_login(kube: FakeKube) -> None:
    kube.token = "renewed"
    fault = refused()
    assert fault.message == (
        f"The API server {kube.url} rejects the credentials of context lab: they have expired, or are for another "
        "cluster."
    )
    assert fault.fix == "renew the credentials of user jane in the kubeconfig"


def pod(name: str, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": status}


UNSCHEDULABLE = pod(
    "lab-head",
    conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU."}],
)
PULLING = pod(
    "w", containerStatuses=[{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "denied"}}}]
)
CREATING = pod("w", containerStatuses=[{"state": {"waiting": {"reason": "ContainerCreating"}}}])
QUOTA = {"reason": "FailedCreate", "message": "exceeded quota: cpu", "lastTimestamp": "2026"}


@pytest.mark.parametrize(
    ("pods", "events", "denied", "why"),
    [
        ([UNSCHEDULABLE], [], "", "pod lab-head is Unschedulable: no GPU"),
        ([PULLING, CREATING], [QUOTA], "", "pod w: ImagePullBackOff: denied"),
        ([CREATING], [QUOTA], "", "FailedCreate: exceeded quota: cpu"),
        ([], [], "list pods", "your account may not list pods, which would show why"),
        ([], [], "list events", "your account may not list events, which would show why"),
    ],
)  # fmt: skip
def test_waits_and_says_why(
    kube: FakeKube, pods: list[dict[str, Any]], events: list[dict[str, Any]], denied: str, why: str
) -> None:
    kube.pods, kube.events, kube.denied = pods, events, {denied}
    kube.clusters["lab"]["status"] = {}
    reads = iter(range(3))

    def become_ready() -> None:
        if next(reads, None) is None:
            kube.clusters["lab"] = raycluster()

    kube.on_read = become_ready
    _, messages = ready()
    assert messages[0] == (
        f"cluster lab is not ready ({why}); waiting until it is ready (Ctrl-C stops only the waiting)"
    )
    assert len(messages) == 2
    kube.on_read, kube.clusters["lab"]["status"] = lambda: None, {}
    fault = refused(seconds=0.01)
    assert isinstance(fault, Unreachable)
    assert fault.message == f"Cluster lab is still not ready ({why}) after 0 s."


def test_a_suspended_cluster_takes_no_jobs_unless_kueue_resumes_it(kube: FakeKube) -> None:
    kube.clusters["lab"]["spec"]["suspend"] = True
    fault = refused()
    assert (fault.message, fault.fix) == (
        "Cluster lab is suspended, so it has no pods.",
        'kubectl --context lab -n ray patch raycluster lab --type merge -p \'{"spec":{"suspend":false}}\'',
    )
    kube.clusters["lab"]["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "team"}
    assert refused(seconds=0.01).message == (
        "Cluster lab is still suspended (waiting for admission to Kueue's queue team) after 0 s."
    )


def test_every_service_account_of_the_pods_has_an_identity_or_a_reason(kube: FakeKube) -> None:
    email = "head@p.iam.gserviceaccount.com"
    workers = [group("a"), group("b", "gone"), group("c", "ray-head")]
    kube.clusters["lab"] = raycluster(workerGroupSpecs=workers)
    kube.accounts = {"ray-head": {"iam.gke.io/gcp-service-account": email}, "default": {}}
    target, _ = ready()
    head, none, gone = asyncio.run(target.google().identities(None))
    assert head == JobIdentity(f"serviceAccount:{email}", workload="ray/ray-head")
    assert (none.head, none.why, none.fix) == (
        False,
        "Kubernetes service account default (a) has no Google account: its annotation "
        "iam.gke.io/gcp-service-account is not set",
        "kubectl --context lab -n ray annotate serviceaccount default "
        "iam.gke.io/gcp-service-account=NAME@PROJECT.iam.gserviceaccount.com",
    )
    assert gone.why == (
        "Kubernetes service account gone (b) does not exist in namespace ray, so its pods do not start"
    )
    kube.denied = {"get serviceaccounts"}
    head = asyncio.run(target.google().identities(None))[0]
    assert head.why == "your account may not read Kubernetes service account ray-head (head, c)"
    assert head.fix.startswith(
        f"{ADMIN}kubectl --context lab -n ray create role raydock-get-serviceaccounts "
    )


def test_what_the_autoscaler_would_add_counts(kube: FakeKube) -> None:
    workers = [group("cpu-worker", cpu="2", memory="1Gi")]
    kube.clusters["lab"] = raycluster(workerGroupSpecs=workers, enableInTreeAutoscaling=True)
    target, _ = ready()
    assert target.addable() == (NodeResources("cpu-worker", False, {"CPU": 2, "memory": 2**30}),) * 2
    kube.clusters["lab"]["spec"]["enableInTreeAutoscaling"] = False
    target, _ = ready()
    assert target.addable() == ()


def test_every_line_arrives_once_though_the_proxy_breaks_off_50_times(
    kube: FakeKube, ray: FakeDashboard
) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(3000))
    job = ray.jobs["a"] = FakeJob("a")
    kube.cuts, shown, said = [7 * number % 97 for number in range(50)], bytearray(), list[str]()

    async def grow() -> None:
        for start in range(0, len(lines), 100):
            job.write(lines[start : start + 100])
            await asyncio.sleep(0)
        await asyncio.to_thread(until, lambda: not kube.cuts)
        job.end("SUCCEEDED")

    async def follow() -> Job:
        async with Dashboard(KuberayTarget(TargetOptions(cluster="lab"))) as dashboard:
            follower = Follower(dashboard, "a", Log(shown.extend), Messages(said.append), QUICK)
            ended, _ = await asyncio.gather(follower.run(), grow())
            return ended

    assert asyncio.run(follow()).status == "SUCCEEDED"
    assert bytes(shown) == lines
    assert kube.cuts == []


def test_a_submission_whose_answer_the_proxy_loses_runs_once(
    kube: FakeKube, ray: FakeDashboard, tmp_path: Path
) -> None:
    kube.lost = {"POST": 1}
    ray.on_submit = lambda job: job.end("SUCCEEDED")
    (tmp_path / "x.py").write_text("print(1)\n")
    env = environment(KUBECONFIG=os.environ["KUBECONFIG"], RAYDOCK_STATE=str(tmp_path / "state"))
    done = submit("--target", "kuberay", tmp_path / "x.py", env=env)
    assert (done.code, len(ray.jobs), kube.lost["POST"]) == (0, 1, 0), done.err


def test_flags_belong_to_their_targets() -> None:
    words = ["--target", "kuberay", "--context", "c", "--namespace", "n", "--cluster", "x"]
    assert parse([*words, "list"]).target_flags == "--target kuberay --cluster x --context c --namespace n "
    for given, message, fix in (
        (["--context", "c"], "--context applies only to --target kuberay.", "--target kuberay --context c"),
        (
            ["--target", "kuberay", "--region", "r"],
            "--region applies only to --target vertex.",
            "--target vertex --region r",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            parse([*given, "x.py"])
        assert (caught.value.message, caught.value.fix) == (message, fix)


def test_a_server_that_is_not_kubernetes_is_reported(
    kube: FakeKube, ray: FakeDashboard, tmp_path: Path
) -> None:
    config = write_kubeconfig(tmp_path / "config", ray.url)
    ray.twist = lambda request, answer: Answer(200, b"<html>sign in</html>")
    assert refused().message == (
        f"What answers at {ray.url} is not a Kubernetes API server: {access.REVIEWS} gave no JSON object."
    )
    config.write_text(config.read_text().replace("current-context: lab", "current-context: a b"))
    config.write_text(config.read_text().replace("name: lab", "name: a b"))
    assert refused().fix == "kubectl --context 'a b' cluster-info"
