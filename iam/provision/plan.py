"""What jobs on Ray on Vertex AI need in a project, as a value: the least roles on the smallest resources.

A custom service account for jobs, a bucket that it reads, a bucket that it writes, and the caller's right to
run as it. ray-labs' setup by hand grants storage.admin and aiplatform.admin on the project for the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from iam.errors import MalformedResource
from iam.policy.resource import parse_gs

NAME = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")  # of an account
ACCOUNT, BUCKET = "account", "bucket"
BUCKET_ROLE, ACCOUNT_ROLE, PROJECT_ROLE = "bucket role", "account role", "project role"
ON_VERTEX = "roles/aiplatform.user"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What was asked for. `caller` is who will send jobs."""

    project: str
    account: str
    data_bucket: str
    model_bucket: str
    location: str
    caller: str
    grant_vertex: bool = False

    @property
    def address(self) -> str:
        return f"{self.account}@{self.project}.iam.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is to be there: an account, a bucket, or a role of `member` on one of them or the project."""

    kind: str
    on: str
    role: str = ""
    member: str = ""
    there: bool = False

    def __str__(self) -> str:
        where = {
            BUCKET: f"gs://{self.on}",
            BUCKET_ROLE: f"gs://{self.on}",
            PROJECT_ROLE: f"project {self.on}",
        }
        place = where.get(self.kind, self.on)
        if self.role:
            return f"{self.role} on {place} for {self.member}"
        return f"service account {place}" if self.kind == ACCOUNT else f"bucket {place}"

    @property
    def key(self) -> dict[str, str]:
        return {"kind": self.kind, "on": self.on, "role": self.role, "member": self.member}


@dataclass(frozen=True, slots=True)
class ProvisionPlan:
    """The steps with what is there already, and what has to be known besides."""

    project: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    removing: bool = False

    def lines(self) -> Iterator[str]:
        """What it comes to, a step a line."""
        yield f"{'What was made in' if self.removing else 'Plan for'} project {self.project}"
        states = ("gone", "remove") if self.removing else ("make", "there")
        yield from (f"  {states[step.there]:<7}{step}" for step in self.steps)

    @property
    def todo(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.there is self.removing)


def wanted(project: str, account: str, buckets: tuple[str, str], location: str, caller: str) -> Requirements:
    """With the names that a project's buckets have by default. Raises MalformedResource."""
    if not NAME.fullmatch(account):
        text = f"\"{account}\" can't be a service account's name."
        raise MalformedResource(text, "use 6 to 30 of a-z, 0-9 and -, beginning with a letter: ray-jobs")
    plain = re.sub(r"[^a-z0-9-]", "-", project)
    names = [
        given.removeprefix("gs://").rstrip("/") or f"{plain}-ray-{kind}"
        for given, kind in zip(buckets, ("data", "models"), strict=True)
    ]
    for name in names:
        _, tail = parse_gs(f"gs://{name}")
        if tail:
            raise MalformedResource(
                f'"{name}" is no bucket: it has a folder.', f"use {name.partition('/')[0]}"
            )
    return Requirements(project, account, names[0], names[1], location, caller)


def steps_of(want: Requirements) -> Iterator[Step]:
    """All of them, in an order in which they can be made; undone in the opposite one."""
    job = f"serviceAccount:{want.address}"
    yield Step(ACCOUNT, want.address)
    for bucket in dict.fromkeys((want.data_bucket, want.model_bucket)):
        yield Step(BUCKET, bucket)
    yield Step(BUCKET_ROLE, want.data_bucket, "roles/storage.objectViewer", job)
    yield Step(BUCKET_ROLE, want.model_bucket, "roles/storage.objectUser", job)
    # Ray's writers look up the bucket when they make a folder, and no role on objects holds storage.buckets.get.
    yield Step(BUCKET_ROLE, want.model_bucket, "roles/storage.legacyBucketReader", job)
    yield Step(ACCOUNT_ROLE, want.address, "roles/iam.serviceAccountUser", want.caller)
    yield Step(ACCOUNT_ROLE, want.address, "roles/iam.serviceAccountTokenCreator", want.caller)
    if want.grant_vertex:
        yield Step(PROJECT_ROLE, want.project, ON_VERTEX, want.caller)


def notes_of(want: Requirements) -> Iterator[str]:
    """What is not a step."""
    yield "Network: the cluster is reached at its public endpoint; no VPC peering, so nothing to make."
    yield f"Clusters: create them with the service account {want.address}, and jobs run as it."
    if not want.grant_vertex:
        yield (
            f"Vertex AI: {want.caller} needs {ON_VERTEX} on project {want.project} to send jobs: "
            f"gcloud projects add-iam-policy-binding {want.project} --member={want.caller} --role={ON_VERTEX}"
        )
