"""The check of a RayCluster's identities says what the lab's Google Cloud then does.

The head and two worker groups have an account each. Every account may lack its annotation, the right to act as its
Google account, and the role on the bucket: 512 combinations. The check reads them through the Kubernetes API; the deed
is what GKE's metadata server and the pod do: a token for the Google account, then the object with that token.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from cloud.lab_state import PolicyHolder, legacy_bindings
from kuberay import kubeconfig
from kuberay.client import KubeClient
from kuberay.cluster import cluster_of
from kuberay.identity import identities
from kuberay.pods import ANNOTATION
from raydock.gcp.clouds import JobIdentity, LabCloud
from raydock.jobscript.header import Header
from submit.findings import Outcome
from submit.preflight import storage
from tests import kubeserver
from tests.fakekube import FakeKube, group, raycluster, write_kubeconfig
from tests.kubeserver import ADMIN, KubeServer
from tests.labcloud import RunningCloud, lab_cloud

HERE = "tests/contract/test_pod_identities.py"
ACCOUNTS = ("ray-head", "cpu-worker", "gpu-worker")
SPACE, URI = "identities", "gs://closed-bucket/x"
CLUSTER = raycluster(
    namespace=SPACE, workerGroupSpecs=[group("cpu-worker", "cpu-worker"), group("gpu-worker", "gpu-worker")]
)
States = tuple[
    tuple[bool, bool, bool], ...
]  # by account: is it annotated, may it act as the account, may that read


class Kubernetes(Protocol):
    """Where the service accounts are."""

    config: Path

    def annotate(self, account: str, email: str) -> None:
        """Sets the Google account of a service account, or removes it for ""."""


@dataclass
class Fake:
    """Without a server of Kubernetes' own."""

    kube: FakeKube
    config: Path

    def annotate(self, account: str, email: str) -> None:
        self.kube.accounts[account] = {ANNOTATION: email} if email else {}


@dataclass
class Real:
    """On a real API server."""

    server: KubeServer
    config: Path

    def annotate(self, account: str, email: str) -> None:
        path = f"/api/v1/namespaces/{SPACE}/serviceaccounts/{account}"
        self.server.patch(path, {"metadata": {"annotations": {ANNOTATION: email or None}}})


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    with FakeKube(0) as kube:
        kube.namespaces, kube.clusters = {SPACE}, {"lab": CLUSTER}
        yield Fake(kube, write_kubeconfig(tmp_path_factory.mktemp("fake") / "config", kube.url))


@pytest.fixture(scope="module")
def real(kube_server: KubeServer, tmp_path_factory: pytest.TempPathFactory) -> Kubernetes:
    kube_server.namespace(SPACE, *ACCOUNTS)
    return Real(kube_server, kube_server.kubeconfig(tmp_path_factory.mktemp("real") / "config", ADMIN))


def email(account: str) -> str:
    return f"{account}@lab-project.iam.gserviceaccount.com"


def member(account: str) -> str:
    """The Kubernetes service account as IAM knows it."""
    return f"serviceAccount:lab-project.svc.id.goog[{SPACE}/{account}]"


@dataclass(frozen=True, slots=True)
class Pods(LabCloud):
    """The lab's cloud as pods see it."""

    pods: tuple[JobIdentity, ...] = ()

    async def identities(self, client: Any) -> Sequence[JobIdentity]:
        return self.pods


def set_up(lab: RunningCloud, kube: Kubernetes, states: States) -> None:
    readers = []
    for account, (annotated, linked, granted) in zip(ACCOUNTS, states, strict=True):
        kube.annotate(account, email(account) if annotated else "")
        bindings = [{"role": storage.WORKLOAD_ROLE, "members": [member(account)]}] if linked else []
        lab.world.accounts[email(account)] = PolicyHolder("lab-project", {"version": 1, "bindings": bindings})
        readers += [f"serviceAccount:{email(account)}"] if granted else []
    binding = [{"role": "roles/storage.objectViewer", "members": readers}] if readers else []
    bindings = [*legacy_bindings("other-project"), *binding]
    lab.world.set_policy(lab.world.buckets["closed-bucket"], {"version": 1, "bindings": bindings})


def verdicts(lab: RunningCloud, kube: Kubernetes) -> list[Outcome]:
    """What the check says of each account: the worst of its findings."""
    with KubeClient(kubeconfig.load("", SPACE)) as client:
        found = identities(client, cluster_of(CLUSTER))
    said = []
    for one in found:
        place = Pods(lab.place.gateway, lab.place.headers, pods=(one,))
        answer = asyncio.run(storage.ask(storage.question(Header(reads=(URI,)), (), place)))
        outcomes = {finding.verdict for finding in answer.findings}
        said.append(next(each for each in (Outcome.DENIED, Outcome.UNKNOWN, Outcome.OK) if each in outcomes))
    return said


def reads(lab: RunningCloud, google: httpx.Client, account: str, annotated: bool) -> bool:
    """Whether a pod of the account gets a token for its Google account, and storage then lets it read the object."""
    if not annotated:
        return False  # its own identity has no role
    path = f"/google/iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email(account)}"
    minted = google.post(f"{path}:generateAccessToken", headers=bearer(lab.token(member(account))), json={})
    if minted.status_code == 403:
        return False
    token = minted.raise_for_status().json()["accessToken"]
    path = "/google/storage.googleapis.com/storage/v1/b/closed-bucket/o/x?alt=media"
    got = google.get(path, headers=bearer(token))
    assert got.status_code in (200, 403), got.text
    return got.status_code == 200


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def disagreements(lab: RunningCloud, kube: Kubernetes, combinations: Sequence[States]) -> list[Any]:
    """The combinations in which the check and the deed differ."""
    found = []
    with httpx.Client(base_url=lab.gateway, verify=False, trust_env=False, timeout=60) as google:
        for states in combinations:
            set_up(lab, kube, states)
            said = verdicts(lab, kube)
            for account, state, verdict in zip(ACCOUNTS, states, said, strict=True):
                did = reads(lab, google, account, state[0])
                assert (verdict is Outcome.UNKNOWN) is not state[0]
                if (verdict is Outcome.OK) is not did:
                    found.append((account, states, verdict, did))
    return found


WELL = (True, True, True)
EACH = list(itertools.product((True, False), (True, False), (True, False)))
ALL: list[States] = list(itertools.product(EACH, repeat=3))
# Every combination of grants, with nothing else missing, and every state of one account.
SOME = [states for states in ALL if all(one[:2] == WELL[:2] for one in states) or states[1:] == (WELL, WELL)]
GATE = f"{HERE}::test_the_check_and_the_lab_agree_for_head_and_workers[some-fake]"


@pytest.mark.parametrize(
    ("combinations", "kind"),
    [
        pytest.param(SOME, "fake", id="some-fake"),
        pytest.param(ALL, "fake", id="all-fake", marks=pytest.mark.nightly(GATE)),
        pytest.param(ALL, "real", id="all-real", marks=kubeserver.needed(GATE)),
    ],
)
def test_the_check_and_the_lab_agree_for_head_and_workers(
    lab: RunningCloud,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    combinations: list[States],
    kind: str,
) -> None:
    kube: Kubernetes = request.getfixturevalue(kind)
    monkeypatch.setenv("KUBECONFIG", str(kube.config))
    assert disagreements(lab, kube, combinations) == []
