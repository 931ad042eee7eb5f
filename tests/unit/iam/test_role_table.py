"""Google's documentation of its roles, row by row, compared with `decide`.

https://cloud.google.com/storage/docs/access-control/iam-roles, …/iam-json (permissions a method), …/iam (convenience
values) and https://cloud.google.com/iam/docs/principal-identifiers. Written by hand from those.
"""

from __future__ import annotations

import pytest

from iam.policy.evaluate import Policies, Verdict, decide
from iam.policy.policies import Binding, Policy
from iam.policy.resource import Resource, bucket, obj, project, service_account

JOB = "serviceAccount:job@lab.iam.gserviceaccount.com"
AGENT = "serviceAccount:service-1234567890@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
ANN = "user:ann@example.com"
ANYONE = "allUsers"
AGENTS_ROLE = "aiplatform.customCodeServiceAgent"

YES, NO, UNKNOWN = Verdict.GRANTED, Verdict.DENIED, Verdict.UNKNOWN
ON_OBJECT = obj("lab-data", "digits.parquet")
ON_BUCKET = bucket("lab-data")
ON_PROJECT = project("lab")
ON_ACCOUNT = service_account("job@lab.iam.gserviceaccount.com", "lab")

# The role, where it is granted, the permission (of storage by default), and the expected verdict.
ROLES = [
    # objectViewer has only get and list, on objects.
    ("storage.objectViewer", "bucket", "objects.get", YES),
    ("storage.objectViewer", "bucket", "objects.list", YES),
    ("storage.objectViewer", "bucket", "managedFolders.list", YES),
    ("storage.objectViewer", "bucket", "objects.create", NO),
    ("storage.objectViewer", "bucket", "objects.delete", NO),
    ("storage.objectViewer", "bucket", "objects.update", NO),
    ("storage.objectViewer", "bucket", "objects.getIamPolicy", NO),
    ("storage.objectViewer", "bucket", "buckets.get", NO),
    ("storage.objectViewer", "project", "objects.get", YES),
    ("storage.objectViewer", "project", "objects.list", YES),
    ("storage.objectViewer", "project", "objects.delete", NO),
    ("storage.objectViewer", "project", "buckets.get", NO),
    ("storage.objectViewer", "project", "buckets.list", NO),
    # It includes resourcemanager.projects.get, which has no effect when granted on a bucket.
    ("storage.objectViewer", "project", "resourcemanager.projects.get", YES),
    ("storage.objectViewer", "bucket", "resourcemanager.projects.get", NO),
    # objectCreator only creates: it can't overwrite (which deletes) or read what it wrote.
    ("storage.objectCreator", "bucket", "objects.create", YES),
    ("storage.objectCreator", "bucket", "multipartUploads.create", YES),
    ("storage.objectCreator", "bucket", "multipartUploads.abort", YES),
    ("storage.objectCreator", "bucket", "multipartUploads.list", NO),
    ("storage.objectCreator", "bucket", "folders.create", YES),
    ("storage.objectCreator", "bucket", "managedFolders.create", YES),
    ("storage.objectCreator", "bucket", "objects.get", NO),
    ("storage.objectCreator", "bucket", "objects.list", NO),
    ("storage.objectCreator", "bucket", "objects.delete", NO),
    ("storage.objectCreator", "bucket", "objects.update", NO),
    ("storage.objectCreator", "bucket", "buckets.get", NO),
    ("storage.objectCreator", "project", "objects.create", YES),
    ("storage.objectCreator", "project", "objects.delete", NO),
    # objectUser can do everything with objects except manage their policies; it can't look up the bucket.
    ("storage.objectUser", "bucket", "objects.get", YES),
    ("storage.objectUser", "bucket", "objects.list", YES),
    ("storage.objectUser", "bucket", "objects.create", YES),
    ("storage.objectUser", "bucket", "objects.delete", YES),
    ("storage.objectUser", "bucket", "objects.update", YES),
    ("storage.objectUser", "bucket", "multipartUploads.listParts", YES),
    ("storage.objectUser", "bucket", "objects.getIamPolicy", NO),
    ("storage.objectUser", "bucket", "objects.setIamPolicy", NO),
    ("storage.objectUser", "bucket", "objects.setRetention", NO),
    ("storage.objectUser", "bucket", "buckets.get", NO),
    ("storage.objectUser", "project", "buckets.get", NO),
    ("storage.objectUser", "project", "buckets.list", NO),
    # objectAdmin can also manage the objects' policies, but can't look up the bucket either.
    ("storage.objectAdmin", "bucket", "objects.delete", YES),
    ("storage.objectAdmin", "bucket", "objects.setIamPolicy", YES),
    ("storage.objectAdmin", "bucket", "objects.setRetention", YES),
    ("storage.objectAdmin", "bucket", "buckets.get", NO),
    ("storage.objectAdmin", "bucket", "buckets.getIamPolicy", NO),
    ("storage.objectAdmin", "project", "buckets.get", NO),
    ("storage.objectAdmin", "project", "buckets.create", NO),
    # admin can do everything, but buckets are created and listed on the project, not on a bucket.
    ("storage.admin", "bucket", "objects.get", YES),
    ("storage.admin", "bucket", "buckets.get", YES),
    ("storage.admin", "bucket", "buckets.delete", YES),
    ("storage.admin", "bucket", "buckets.setIamPolicy", YES),
    ("storage.admin", "bucket", "buckets.create", NO),
    ("storage.admin", "bucket", "buckets.list", NO),
    ("storage.admin", "project", "buckets.create", YES),
    ("storage.admin", "project", "buckets.list", YES),
    ("storage.admin", "bucket", "buckets.listTagBindings", YES),
    ("storage.admin", "project", "hmacKeys.create", NO),
    ("storage.hmacKeyAdmin", "project", "hmacKeys.create", YES),
    ("storage.hmacKeyAdmin", "bucket", "hmacKeys.create", NO),
    ("storage.hmacKeyAdmin", "project", "objects.get", NO),
    ("storage.folderAdmin", "bucket", "managedFolders.setIamPolicy", YES),
    ("storage.folderAdmin", "bucket", "buckets.get", NO),
    # bucketViewer sees buckets, but not their contents.
    ("storage.bucketViewer", "bucket", "buckets.get", YES),
    ("storage.bucketViewer", "project", "buckets.list", YES),
    ("storage.bucketViewer", "bucket", "buckets.list", NO),
    ("storage.bucketViewer", "bucket", "objects.list", NO),
    ("storage.bucketViewer", "bucket", "buckets.getIamPolicy", NO),
    # The legacy roles, which correspond to ACLs.
    ("storage.legacyBucketReader", "bucket", "buckets.get", YES),
    ("storage.legacyBucketReader", "bucket", "objects.list", YES),
    ("storage.legacyBucketReader", "bucket", "objects.get", NO),
    ("storage.legacyBucketReader", "bucket", "objects.create", NO),
    ("storage.legacyBucketWriter", "bucket", "objects.create", YES),
    ("storage.legacyBucketWriter", "bucket", "objects.delete", YES),
    ("storage.legacyBucketWriter", "bucket", "objects.get", NO),
    ("storage.legacyBucketWriter", "bucket", "buckets.setIamPolicy", NO),
    ("storage.legacyBucketOwner", "bucket", "buckets.setIamPolicy", YES),
    ("storage.legacyBucketOwner", "bucket", "buckets.update", YES),
    ("storage.legacyBucketOwner", "bucket", "objects.get", NO),
    ("storage.legacyBucketOwner", "bucket", "buckets.delete", NO),
    ("storage.legacyObjectReader", "bucket", "objects.get", YES),
    ("storage.legacyObjectReader", "bucket", "objects.list", NO),
    ("storage.legacyObjectReader", "bucket", "buckets.get", NO),
    ("storage.legacyObjectOwner", "bucket", "objects.get", YES),
    ("storage.legacyObjectOwner", "bucket", "objects.update", YES),
    ("storage.legacyObjectOwner", "bucket", "objects.delete", NO),
    ("storage.legacyObjectOwner", "bucket", "objects.create", NO),
    # Basic roles contain no storage.objects.* and can't look up a bucket.
    ("owner", "project", "objects.get", NO),
    ("owner", "project", "objects.list", NO),
    ("owner", "project", "objects.create", NO),
    ("owner", "project", "buckets.get", NO),
    ("owner", "project", "buckets.getIamPolicy", NO),
    ("owner", "project", "buckets.create", YES),
    ("owner", "project", "buckets.list", YES),
    ("owner", "project", "buckets.delete", YES),
    ("owner", "project", "resourcemanager.projects.setIamPolicy", YES),
    ("editor", "project", "objects.get", NO),
    ("editor", "project", "objects.delete", NO),
    ("editor", "project", "buckets.create", YES),
    ("editor", "project", "resourcemanager.projects.setIamPolicy", NO),
    ("editor", "project", "resourcemanager.projects.getIamPolicy", YES),
    ("viewer", "project", "objects.get", NO),
    ("viewer", "project", "objects.list", NO),
    ("viewer", "project", "buckets.list", YES),
    ("viewer", "project", "buckets.create", NO),
    ("viewer", "project", "aiplatform.persistentResources.get", YES),
    ("browser", "project", "resourcemanager.projects.get", YES),
    ("browser", "project", "buckets.list", NO),
    # Vertex AI: its users have no storage permissions; the agent that runs their code does.
    ("aiplatform.user", "project", "objects.get", NO),
    ("aiplatform.user", "project", "aiplatform.persistentResources.get", YES),
    ("aiplatform.user", "project", "aiplatform.persistentResources.create", NO),
    ("aiplatform.admin", "project", "aiplatform.persistentResources.create", YES),
    ("aiplatform.admin", "project", "objects.get", NO),
    ("aiplatform.viewer", "project", "aiplatform.persistentResources.list", YES),
    (AGENTS_ROLE, "project", "objects.get", YES),
    (AGENTS_ROLE, "project", "objects.list", YES),
    (AGENTS_ROLE, "project", "objects.create", YES),
    (AGENTS_ROLE, "project", "objects.delete", YES),
    (AGENTS_ROLE, "project", "buckets.get", YES),
    (AGENTS_ROLE, "project", "buckets.list", YES),
    (AGENTS_ROLE, "project", "buckets.setIamPolicy", NO),
    (AGENTS_ROLE, "project", "objects.setIamPolicy", NO),
    ("aiplatform.serviceAgent", "project", "objects.create", YES),
    ("aiplatform.serviceAgent", "project", "iam.serviceAccounts.actAs", YES),
    # Service accounts: acting as one and creating its tokens are two roles.
    ("iam.serviceAccountUser", "account", "iam.serviceAccounts.actAs", YES),
    ("iam.serviceAccountUser", "account", "iam.serviceAccounts.getAccessToken", NO),
    ("iam.serviceAccountUser", "project", "iam.serviceAccounts.actAs", YES),
    ("iam.serviceAccountTokenCreator", "account", "iam.serviceAccounts.getAccessToken", YES),
    ("iam.serviceAccountTokenCreator", "account", "iam.serviceAccounts.actAs", NO),
    ("iam.serviceAccountTokenCreator", "account", "iam.serviceAccounts.setIamPolicy", NO),
    ("iam.serviceAccountAdmin", "account", "iam.serviceAccounts.setIamPolicy", YES),
    ("iam.serviceAccountAdmin", "account", "iam.serviceAccounts.getAccessToken", NO),
    ("owner", "project", "iam.serviceAccounts.actAs", YES),
    ("owner", "project", "iam.serviceAccounts.getAccessToken", NO),
    ("iam.securityReviewer", "project", "buckets.getIamPolicy", YES),
    ("iam.securityReviewer", "project", "objects.get", NO),
    ("iam.securityReviewer", "project", "buckets.setIamPolicy", NO),
    ("iam.securityAdmin", "project", "buckets.setIamPolicy", YES),
    ("iam.denyReviewer", "project", "iam.denypolicies.get", YES),
    ("resourcemanager.projectIamAdmin", "project", "resourcemanager.projects.setIamPolicy", YES),
    ("resourcemanager.projectIamAdmin", "project", "buckets.setIamPolicy", NO),
    ("serviceusage.serviceUsageConsumer", "project", "objects.get", NO),
    # The lists are excerpts: any other permission is unknown, not denied.
    ("serviceusage.serviceUsageConsumer", "project", "serviceusage.services.use", UNKNOWN),
    ("aiplatform.user", "project", "aiplatform.customJobs.create", UNKNOWN),
    ("storage.admin", "project", "monitoring.timeSeries.create", UNKNOWN),
    ("storage.inventedByGoogleTomorrow", "bucket", "objects.get", UNKNOWN),
    ("storage.objectViewer_withcond_0123456789abcdef", "bucket", "objects.get", UNKNOWN),
]


def resource_of(permission: str) -> Resource:
    """The resource that a program would ask about."""
    if permission.startswith("storage.objects.") and permission != "storage.objects.list":
        return ON_OBJECT
    if permission.startswith("iam.serviceAccounts."):
        return ON_ACCOUNT
    return ON_BUCKET if permission.startswith("storage.") else ON_PROJECT


def full(permission: str) -> str:
    kinds = ("buckets", "objects", "folders", "managedFolders", "multipartUploads", "hmacKeys")
    return f"storage.{permission}" if permission.partition(".")[0] in kinds else permission


@pytest.mark.parametrize(("role", "level", "permission", "expected"), ROLES, ids=lambda value: str(value))
def test_role(role: str, level: str, permission: str, expected: Verdict) -> None:
    granted = Policy((Binding(f"roles/{role}", (JOB,)),))
    nothing = Policy()
    policies = Policies(
        bucket=nothing if level == "project" else granted,
        project=granted if level == "project" else nothing,
        project_id="lab",
        deny=(),
    )
    decision = decide(JOB, full(permission), resource_of(full(permission)), policies)
    assert (decision.verdict, decision.permission) == (expected, full(permission))


# The initial policy of a bucket with uniform bucket-level access, and the members of the project.
FRESH_BUCKET = Policy(
    (
        Binding("roles/storage.legacyBucketOwner", ("projectEditor:lab", "projectOwner:lab")),
        Binding("roles/storage.legacyBucketReader", ("projectViewer:lab",)),
        Binding("roles/storage.legacyObjectOwner", ("projectEditor:lab", "projectOwner:lab")),
        Binding("roles/storage.legacyObjectReader", ("projectViewer:lab",)),
    )
)
PEOPLE = Policy(
    (
        Binding("roles/owner", ("user:owner@example.com",)),
        Binding("roles/editor", ("user:editor@example.com",)),
        Binding("roles/viewer", ("user:viewer@example.com", "group:team@example.com")),
        Binding(f"roles/{AGENTS_ROLE}", (AGENT,)),
    )
)
LEGACY = [
    ("user:owner@example.com", "objects.get", YES),
    ("user:owner@example.com", "objects.list", YES),
    ("user:owner@example.com", "objects.delete", YES),
    ("user:owner@example.com", "buckets.get", YES),
    ("user:editor@example.com", "objects.get", YES),
    ("user:editor@example.com", "objects.create", YES),
    ("user:editor@example.com", "buckets.setIamPolicy", YES),
    ("user:viewer@example.com", "objects.get", YES),
    ("user:viewer@example.com", "objects.list", YES),
    ("user:viewer@example.com", "buckets.get", YES),
    ("user:viewer@example.com", "objects.create", NO),
    ("user:viewer@example.com", "objects.delete", NO),
    ("user:Viewer@Example.com", "objects.get", YES),
    ("user:member@example.com", "objects.get", YES),  # of the group that has roles/viewer
    ("user:stranger@example.com", "objects.get", NO),
    (AGENT, "objects.get", YES),
    (AGENT, "objects.delete", YES),
    (AGENT, "buckets.get", YES),
    (JOB, "objects.get", NO),  # a custom account starts without any role
    (JOB, "objects.list", NO),
    (ANYONE, "objects.get", NO),
]


@pytest.mark.parametrize(("principal", "permission", "expected"), LEGACY, ids=str)
def test_basic_roles_act_through_legacy_bindings(principal: str, permission: str, expected: Verdict) -> None:
    policies = Policies(FRESH_BUCKET, PEOPLE, "lab", deny=())
    groups = {"group:team@example.com": frozenset({"user:member@example.com"})}
    decision = decide(principal, full(permission), resource_of(full(permission)), policies, groups=groups)
    assert decision.verdict is expected


@pytest.mark.parametrize("principal", ["user:owner@example.com", "user:editor@example.com", AGENT])
def test_basic_roles_and_the_agent_have_nothing_in_a_bucket_of_another_project(principal: str) -> None:
    theirs = Policy((Binding("roles/storage.legacyObjectOwner", ("projectOwner:other",)),))
    decision = decide(
        principal, "storage.objects.get", obj("closed", "x"), Policies(theirs, Policy(), "other", deny=())
    )
    assert decision.verdict is NO


GROUPS = {
    "group:team@example.com": frozenset({ANN, "group:inner@example.com"}),
    "INNER@example.com": frozenset({"user:ben@example.com", JOB, "group:team@example.com"}),
}
# The member of an objectViewer binding on the bucket, and the principal that requests objects.get.
MEMBERS = [
    (ANN, ANN, YES),
    ("user:Ann@EXAMPLE.com", ANN, YES),
    (ANN, "user:ANN@example.com", YES),
    (ANN, "user:ben@example.com", NO),
    (JOB, JOB, YES),
    ("user:job@lab.iam.gserviceaccount.com", JOB, NO),  # the type matters
    ("allUsers", ANYONE, YES),
    ("allUsers", ANN, YES),
    ("allUsers", JOB, YES),
    ("allAuthenticatedUsers", ANYONE, NO),
    ("allAuthenticatedUsers", ANN, YES),
    ("allAuthenticatedUsers", AGENT, YES),
    ("allAuthenticatedUsers", "user:anyone@gmail.com", YES),
    ("domain:example.com", ANN, YES),
    ("domain:Example.COM", ANN, YES),
    ("domain:example.com", "user:ann@sub.example.com", NO),
    ("domain:example.com", "user:ann@notexample.com", NO),
    ("domain:lab.iam.gserviceaccount.com", JOB, NO),  # service accounts belong to no domain
    ("domain:example.com", ANYONE, NO),
    ("group:team@example.com", ANN, YES),
    ("group:Team@Example.com", ANN, YES),
    ("group:team@example.com", "user:ben@example.com", YES),  # through the nested group
    ("group:team@example.com", JOB, YES),
    ("group:team@example.com", "user:eve@example.com", NO),
    ("group:inner@example.com", ANN, YES),  # the groups contain each other
    ("group:other@example.com", ANN, UNKNOWN),
    ("group:other@example.com", ANYONE, NO),
    ("group:team@example.com", "group:team@example.com", YES),
    ("deleted:user:ann@example.com?uid=123456789012345678901", ANN, NO),
    ("deleted:user:ann@example.com?uid=1", "deleted:user:ann@example.com?uid=1", NO),
    ("allUsers", "deleted:user:ann@example.com?uid=1", YES),
    ("allAuthenticatedUsers", "deleted:user:ann@example.com?uid=1", NO),
    ("deleted:serviceAccount:job@lab.iam.gserviceaccount.com?uid=1234", JOB, NO),
    ("principalSet://iam.googleapis.com/locations/global/workforcePools/staff/*", ANN, UNKNOWN),
    ("principalSet://cloudresourcemanager.googleapis.com/projects/1/type/ServiceAccount", JOB, UNKNOWN),
    ("principalSet://iam.googleapis.com/locations/global/workforcePools/staff/*", ANYONE, NO),
    ("principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ann", ANN, NO),
    ("projectViewer:lab", ANN, NO),  # the project has no binding of roles/viewer
    ("projectViewer:other", ANN, UNKNOWN),
    ("projectViewer:other", ANYONE, NO),
]


@pytest.mark.parametrize(("member", "principal", "expected"), MEMBERS, ids=str)
def test_member(member: str, principal: str, expected: Verdict) -> None:
    policies = Policies(Policy((Binding("roles/storage.objectViewer", (member,)),)), Policy(), "lab", deny=())
    decision = decide(principal, "storage.objects.get", ON_OBJECT, policies, groups=GROUPS)
    assert decision.verdict is expected


def test_a_federated_identity_is_itself_and_no_authenticated_user() -> None:
    federated = "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ann"
    itself, everyone = (
        decide(
            federated,
            "storage.objects.get",
            ON_OBJECT,
            Policies(Policy((Binding("roles/storage.objectViewer", (m,)),)), Policy(), "lab", ()),
        ).verdict
        for m in (federated, "allAuthenticatedUsers")
    )
    assert (itself, everyone) == (YES, NO)


def test_the_table_is_as_long_as_it_should_be() -> None:
    rows = [row[:3] for row in ROLES]
    assert len(rows) == len(set(rows)) >= 110
