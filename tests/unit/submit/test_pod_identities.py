"""The storage check of pods whose account may not be used, does not exist, or is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from cloud.lab_state import PolicyHolder
from raydock.gcp.clouds import JobIdentity, LabCloud
from raydock.jobscript.header import Header
from submit.findings import Outcome
from submit.preflight import storage
from tests.labcloud import RunningCloud, lab_cloud

ACCOUNTS = ("ray-head", "cpu-worker", "gpu-worker")
URI = "gs://closed-bucket/x"
NEEDS = Header(reads=(URI,))


def principal(account: str) -> str:
    return f"serviceAccount:{account}@lab-project.iam.gserviceaccount.com"


def pod(account: str) -> JobIdentity:
    return JobIdentity(principal(account), head=account == "ray-head", workload=f"ray/{account}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("lab")) as found:
        for account in ACCOUNTS:
            link(found, account, f"serviceAccount:lab-project.svc.id.goog[ray/{account}]")
        yield found


def link(lab: RunningCloud, account: str, *members: str) -> None:
    """Lets members act as the account."""
    bindings = [{"role": storage.WORKLOAD_ROLE, "members": list(members)}] if members else []
    email = principal(account).removeprefix("serviceAccount:")
    lab.world.accounts[email] = PolicyHolder("lab-project", {"version": 1, "bindings": bindings})


@dataclass(frozen=True, slots=True)
class Pods(LabCloud):
    """The lab's cloud as pods see it."""

    pods: tuple[JobIdentity, ...] = ()

    async def identities(self, client: Any) -> Sequence[JobIdentity]:
        return self.pods


def ask(lab: RunningCloud, *pods: JobIdentity, probed: dict[str, Any] | None = None) -> storage.StorageCheck:
    place = Pods(lab.place.gateway, lab.place.headers, pods=pods)
    return asyncio.run(storage.ask(storage.question(NEEDS, (), place), probed))


@pytest.mark.parametrize("members", [(), ("serviceAccount:lab-project.svc.id.goog[other/cpu-worker]",)])
def test_an_account_that_the_pods_may_not_use_is_denied(lab: RunningCloud, members: tuple[str, ...]) -> None:
    email = principal("cpu-worker").removeprefix("serviceAccount:")
    try:
        link(lab, "cpu-worker", *members)
        first = ask(lab, pod("cpu-worker")).findings[0]
    finally:
        link(lab, "cpu-worker", "serviceAccount:lab-project.svc.id.goog[ray/cpu-worker]")
    assert first.verdict is Outcome.DENIED
    assert first.message == (
        f"Kubernetes service account cpu-worker in namespace ray may not act as {email}: that account's policy does "
        "not grant it roles/iam.workloadIdentityUser."
    )
    assert first.fix == (  # with the lab's gcloud, because the pods' Google Cloud is the lab
        f"{storage.LAB_GCLOUD} iam service-accounts add-iam-policy-binding {email} "
        "--role roles/iam.workloadIdentityUser "
        '--member "serviceAccount:PROJECT.svc.id.goog[ray/cpu-worker]"'
    )


def test_an_unknown_identity_is_unknown_and_a_probe_settles_only_the_heads(lab: RunningCloud) -> None:
    head = JobIdentity(why="no account", fix="annotate it")
    worker = JobIdentity(why="none either", fix="annotate that", head=False)
    answer = ask(lab, head, worker)
    assert answer.principal == ""
    assert [(one.verdict, one.message, one.fix) for one in answer.findings] == [
        (Outcome.UNKNOWN, f"{URI} could not be checked: no account.", f"annotate it\nor {storage.PROBE}"),
        (Outcome.UNKNOWN, f"{URI} could not be checked: none either.", "annotate that"),
    ]
    probed = {"principal": principal("ray-head"), "held": {"closed-bucket": ["storage.objects.get"]}}
    unknown, settled = ask(lab, head, worker, probed=probed).findings
    assert (unknown.verdict, unknown.fix) == (Outcome.UNKNOWN, "annotate that")
    assert settled.verdict is Outcome.DENIED
    assert settled.message.startswith(f"{principal('ray-head')} lacks storage.objects.get on {URI} ")


def test_accounts_with_the_same_fix_are_one_finding(lab: RunningCloud) -> None:
    head, worker = (JobIdentity(why=f"no {who}", fix="one role", head=who == "a") for who in "ab")
    (found,) = ask(lab, head, worker).findings
    assert found.message == f"{URI} could not be checked: no a; no b."
    assert found.fix == f"one role\nor {storage.PROBE}"


def test_an_account_that_does_not_exist_is_denied(lab: RunningCloud) -> None:
    first = ask(lab, pod("no-such-one")).findings[0]
    assert first.verdict is Outcome.DENIED
    assert first.message == "There is no service account no-such-one@lab-project.iam.gserviceaccount.com."
