"""The search finds the role that an expert would grant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.policy.evaluate import Policies, Verdict, decide
from iam.policy.least_role import grants_for
from iam.policy.policies import Policy, with_member
from iam.policy.resource import Resource, bucket, obj, project, service_account

JOB = "serviceAccount:job@lab.iam.gserviceaccount.com"
ACCOUNT = service_account("job@lab.iam.gserviceaccount.com", "lab")


@pytest.mark.parametrize(
    ("missing", "roles"),
    [
        ("objects.get", "objectViewer"),
        ("objects.list", "objectViewer"),
        ("objects.get objects.list", "objectViewer"),
        ("objects.create", "objectCreator"),
        ("objects.delete", "objectUser"),
        ("objects.create objects.delete", "objectUser"),
        ("objects.create objects.get", "objectUser"),
        ("objects.update", "objectUser"),
        ("objects.list objects.get objects.create objects.delete", "objectUser"),
        ("buckets.get", "legacyBucketReader"),  # bucketViewer is a beta role
        ("buckets.get objects.list", "legacyBucketReader"),
        ("buckets.get objects.get", "legacyBucketReader objectViewer"),
        (
            "buckets.get objects.get objects.list objects.create objects.delete",
            "legacyBucketReader objectUser",
        ),
        ("buckets.setIamPolicy", ""),
        ("objects.setIamPolicy", ""),
        ("objects.get buckets.delete", ""),
        ("objects.invented", ""),
        ("", ""),
    ],
)
def test_on_a_bucket(missing: str, roles: str) -> None:
    permissions = {f"storage.{p}" for p in missing.split()}
    for resource in (obj("closed", "x"), bucket("closed")):
        fixes = grants_for(JOB, permissions, resource)
        assert sorted(m.role for m in fixes) == [f"roles/storage.{name}" for name in roles.split()]
        assert all(m.resource == bucket("closed") for m in fixes)


def test_the_commands() -> None:
    [fix] = grants_for(JOB, {"storage.objects.get"}, obj("closed", "dir/x"))
    assert fix.gcloud == (
        f"gcloud storage buckets add-iam-policy-binding gs://closed --member={JOB} --role=roles/storage.objectViewer"
    )
    assert (
        fix.iam_command == f"python -m iam grant gs://closed --role=roles/storage.objectViewer --member={JOB}"
    )
    assert fix.principal == JOB


@pytest.mark.parametrize(
    ("permission", "resource", "gcloud"),
    [
        (
            "iam.serviceAccounts.getAccessToken",
            ACCOUNT,
            "gcloud iam service-accounts add-iam-policy-binding job@lab.iam.gserviceaccount.com "
            "--member=user:ann@example.com --role=roles/iam.serviceAccountTokenCreator",
        ),
        (
            "iam.serviceAccounts.actAs",
            ACCOUNT,
            "gcloud iam service-accounts add-iam-policy-binding job@lab.iam.gserviceaccount.com "
            "--member=user:ann@example.com --role=roles/iam.serviceAccountUser",
        ),
    ],
)
def test_on_a_service_account(permission: str, resource: Resource, gcloud: str) -> None:
    [fix] = grants_for("user:ann@example.com", {permission}, resource)
    assert (fix.gcloud, fix.iam_command) == (gcloud, "")


def test_a_project_is_no_small_resource() -> None:
    assert grants_for(JOB, {"storage.buckets.list"}, bucket("closed")) == ()
    assert grants_for(JOB, {"resourcemanager.projects.get"}, project("lab")) == ()


def test_a_member_that_a_shell_would_take_apart_is_quoted() -> None:
    [fix] = grants_for("user:o'neil@example.com", {"storage.objects.get"}, bucket("closed"))
    assert "--member='user:o'\"'\"'neil@example.com'" in fix.gcloud


GRANTABLE = [
    f"storage.{p}"
    for p in (
        "objects.get",
        "objects.list",
        "objects.create",
        "objects.delete",
        "objects.update",
        "buckets.get",
    )
]


@given(st.sets(st.sampled_from(GRANTABLE), min_size=1))
def test_the_grants_give_every_missing_permission(missing: set[str]) -> None:
    resource, policy = obj("closed", "x"), Policy()
    fixes = grants_for(JOB, missing, resource)
    for fix in fixes:
        policy = with_member(policy, fix.role, fix.principal)
    policies = Policies(policy, Policy(), "other", deny=())
    assert fixes
    assert {decide(JOB, p, resource, policies).verdict for p in missing} == {Verdict.GRANTED}
    for forbidden in (
        "storage.objects.setIamPolicy",
        "storage.buckets.setIamPolicy",
        "storage.buckets.delete",
    ):
        assert decide(JOB, forbidden, resource, policies).verdict is Verdict.DENIED


@given(st.sets(st.sampled_from(GRANTABLE), min_size=1))
def test_no_grant_is_superfluous(missing: set[str]) -> None:
    fixes = grants_for(JOB, missing, obj("closed", "x"))
    for left_out in range(len(fixes)):
        policy = Policy()
        for n, fix in enumerate(fixes):
            policy = policy if n == left_out else with_member(policy, fix.role, JOB)
        policies = Policies(policy, Policy(), "other", deny=())
        assert Verdict.DENIED in {decide(JOB, p, obj("closed", "x"), policies).verdict for p in missing}
