"""Workload Identity: the metadata server of a pod, and what its tokens may do."""

from __future__ import annotations

import json

import pytest

from cloud import state_file
from cloud.google_errors import ApiError
from cloud.identity.access import Access
from cloud.identity.tokens import Tokens
from cloud.identity.workload_identity import Workload, WorkloadMetadata
from cloud.lab_state import LabState, PolicyHolder
from iam.errors import MalformedPolicy
from iam.lab.settings import FILE
from tests.labcloud import TRAINER

EMAIL = TRAINER.removeprefix("serviceAccount:")
ROLE = "roles/iam.workloadIdentityUser"
MEMBER = "serviceAccount:lab-project.svc.id.goog[default/trainer]"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/lab-project.svc.id.goog"
PRINCIPAL = f"principal://iam.googleapis.com/{POOL}/subject/ns/default/sa/trainer"
DEFAULT = "/computeMetadata/v1/instance/service-accounts/default"


@pytest.fixture
def lab() -> LabState:
    return state_file.load(FILE, None)


def metadata(lab: LabState, account: str) -> WorkloadMetadata:
    return WorkloadMetadata(lab, Tokens(b"s" * 32), Workload("lab-project", "default/trainer", account))


def grant(lab: LabState, member: str) -> None:
    lab.set_policy(lab.accounts[EMAIL], {"bindings": [{"role": ROLE, "members": [member]}]})


@pytest.mark.parametrize(
    ("member", "granted"),
    [
        ("", False),
        (MEMBER, True),
        (PRINCIPAL, True),
        (MEMBER.replace("default/", "other/"), False),
        (MEMBER.replace("lab-project", "other-project"), False),
    ],
)
def test_the_google_accounts_policy_decides(lab: LabState, member: str, granted: bool) -> None:
    if member:
        grant(lab, member)
    pod = metadata(lab, EMAIL)
    assert pod.answer(f"{DEFAULT}/email", False).text == EMAIL
    answer = pod.answer(f"{DEFAULT}/token", False)
    if granted:
        token = json.loads(answer.text or "")["access_token"]
        assert pod.tokens.principal(token) == TRAINER
    else:
        assert answer.status == 403
        assert (answer.text or "").startswith(
            "Unable to generate access token; IAM returned 403 Forbidden: Permission "
            "'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).\n"
        )


def test_an_account_that_does_not_exist(lab: LabState) -> None:
    pod = metadata(lab, "gone@lab-project.iam.gserviceaccount.com")
    assert pod.answer(f"{DEFAULT}/token", False).status == 403


def test_without_a_google_account_a_pod_is_its_own_principal(lab: LabState) -> None:
    """Roles can be granted to it, and a denial does not call it anonymous."""
    pod = metadata(lab, "")
    assert pod.answer(f"{DEFAULT}/email", False).text == "lab-project.svc.id.goog"
    token = json.loads(pod.answer(f"{DEFAULT}/token", False).text or "")["access_token"]
    access = Access(lab, pod.tokens)
    assert access.token_principal(token) == PRINCIPAL
    with pytest.raises(ApiError, match=r"^Caller does not have storage\.objects\.get access") as refused:
        access.require_bucket(PRINCIPAL, "storage.objects.get", "lab-data")
    assert refused.value.status == 403
    binding = {"role": "roles/storage.objectViewer", "members": [PRINCIPAL]}
    lab.set_policy(lab.buckets["lab-data"], {"bindings": [binding]})
    access.require_bucket(PRINCIPAL, "storage.objects.get", "lab-data")


def test_a_policy_takes_kubernetes_accounts_but_no_other_unknown_ones(lab: LabState) -> None:
    holder = PolicyHolder("lab-project", {})
    lab.set_policy(holder, {"bindings": [{"role": ROLE, "members": [MEMBER]}]})
    with pytest.raises(MalformedPolicy, match="does not exist"):
        lab.set_policy(holder, {"bindings": [{"role": ROLE, "members": ["serviceAccount:no@x.y"]}]})
