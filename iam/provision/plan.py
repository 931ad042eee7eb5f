"""Plans what jobs on Vertex AI need in a project: the narrowest roles on the smallest resources.

A custom service account for jobs, a bucket that it reads, a bucket that it writes, and permission for the caller to
act as the account. ray-labs' manual setup grants storage.admin and aiplatform.admin on the whole project instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from iam.errors import MalformedResource
from iam.policy.principal import wrong_account_id
from iam.policy.resource import parse_gs

ACCOUNT, BUCKET = "account", "bucket"
BUCKET_ROLE, ACCOUNT_ROLE, PROJECT_ROLE = "bucket role", "account role", "project role"
ON_VERTEX = "roles/aiplatform.user"


@dataclass(frozen=True, slots=True)
class Requirements:
    """The arguments of `provision`. `caller` will submit the jobs; `account` is the name of a service account."""

    project: str
    account: str
    data_bucket: str
    model_bucket: str
    location: str
    caller: str
    grant_vertex: bool = False

    @property
    def address(self) -> str:
        """The service account's email address."""
        return f"{self.account}@{self.project}.iam.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to create: an account, a bucket, or a role for `member` on one of them or on the project.

    `on` is the account, bucket or project; `exists` is whether the step is already done.
    """

    kind: str
    on: str
    role: str = ""
    member: str = ""
    exists: bool = False

    def __str__(self) -> str:
        where = {
            BUCKET: f"gs://{self.on}",
            BUCKET_ROLE: f"gs://{self.on}",
            PROJECT_ROLE: f"project {self.on}",
        }
        name = where.get(self.kind, self.on)
        if self.role:
            return f"{self.role} on {name} for {self.member}"
        return f"service account {name}" if self.kind == ACCOUNT else f"bucket {name}"

    @property
    def key(self) -> dict[str, str]:
        """The step as the provisioning record stores it."""
        return {"kind": self.kind, "on": self.on, "role": self.role, "member": self.member}


@dataclass(frozen=True, slots=True)
class ProvisionPlan:
    """The steps to create or, with `removing`, to remove, and notes for the user."""

    project: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    removing: bool = False

    def lines(self) -> Iterator[str]:
        """A heading and one line per step."""
        yield f"{'Provisioned in' if self.removing else 'Plan for'} project {self.project}"
        states = ("gone", "remove") if self.removing else ("create", "exists")
        yield from (f"  {states[step.exists]:<7}{step}" for step in self.steps)

    @property
    def todo(self) -> tuple[Step, ...]:
        """The steps that remain."""
        return tuple(step for step in self.steps if step.exists is self.removing)


def requirements_of(
    project: str, account: str, buckets: tuple[str, str], location: str, caller: str
) -> Requirements:
    """The requirements. Empty names in `buckets` (data, models) get defaults. Raises MalformedResource."""
    if wrong_account_id(account):
        raise MalformedResource(
            f'Invalid service account name "{account}".',
            "use 6 to 30 lowercase letters, digits and '-', starting with a letter, such as ray-jobs",
        )
    plain = re.sub(r"[^a-z0-9-]", "-", project)
    names = [
        given.removeprefix("gs://").rstrip("/") or f"{plain}-ray-{kind}"
        for given, kind in zip(buckets, ("data", "models"), strict=True)
    ]
    for name in names:
        _, tail = parse_gs(f"gs://{name}")
        if tail:
            raise MalformedResource(f'"{name}" is a folder, not a bucket.', f"use {name.partition('/')[0]}")
    return Requirements(project, account, names[0], names[1], location, caller)


def steps_of(want: Requirements) -> Iterator[Step]:
    """All steps, in the order of creation. Removal uses the reverse order."""
    job = f"serviceAccount:{want.address}"
    yield Step(ACCOUNT, want.address)
    for bucket in dict.fromkeys((want.data_bucket, want.model_bucket)):
        yield Step(BUCKET, bucket)
    yield Step(BUCKET_ROLE, want.data_bucket, "roles/storage.objectViewer", job)
    yield Step(BUCKET_ROLE, want.model_bucket, "roles/storage.objectUser", job)
    # Ray's writers look up the bucket when they create a folder, and no object role has storage.buckets.get.
    yield Step(BUCKET_ROLE, want.model_bucket, "roles/storage.legacyBucketReader", job)
    yield Step(ACCOUNT_ROLE, want.address, "roles/iam.serviceAccountUser", want.caller)
    yield Step(ACCOUNT_ROLE, want.address, "roles/iam.serviceAccountTokenCreator", want.caller)
    if want.grant_vertex:
        yield Step(PROJECT_ROLE, want.project, ON_VERTEX, want.caller)


def notes_of(want: Requirements) -> Iterator[str]:
    """What the user has to do in addition to the steps."""
    yield "Network: nothing to create. Clusters are reached at their public endpoints, without VPC peering."
    yield f"Clusters: create them with service account {want.address}, so that jobs run as it."
    if not want.grant_vertex:
        yield (
            f"Vertex AI: {want.caller} needs {ON_VERTEX} on project {want.project} to submit jobs: "
            f"gcloud projects add-iam-policy-binding {want.project} --member={want.caller} --role={ON_VERTEX}"
        )
