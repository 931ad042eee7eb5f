"""The lab's current state: projects, users, service accounts, buckets and their policies.

iam/lab.yaml defines the initial state. The state is saved to a file, so a restart loses nothing. A changed lab.yaml
resets what it defines, but keeps what was added to the running lab (cloud/state_file.py). These modules modify the
state: `cloud/identity/policies.py`, `cloud/identity/service_accounts.py`, `cloud/identity/job_account.py` and
`cloud/storage/buckets/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cloud import imported
from cloud.identity.tokens import write_private
from iam.lab.imported import INACTIVE
from iam.lab.members import checked_policy
from iam.policy.evaluate import Decision, Policies, decide
from iam.policy.policies import (
    DenyRule,
    Policy,
    deny_from_json,
    policy_from_json,
    policy_to_json,
    without_public,
)
from iam.policy.resource import ACCOUNT, Resource
from iam.policy.roles import Role, load_roles

# A new bucket's bindings: https://cloud.google.com/storage/docs/access-control/iam-roles#basic-roles-modifiable
LEGACY = {
    "roles/storage.legacyBucketOwner": ("projectEditor", "projectOwner"),
    "roles/storage.legacyBucketReader": ("projectViewer",),
    "roles/storage.legacyObjectOwner": ("projectEditor", "projectOwner"),
    "roles/storage.legacyObjectReader": ("projectViewer",),
}


@dataclass(slots=True)
class PolicyHolder:
    """A resource with an IAM policy: a project, a bucket or a service account.

    `private`: the bucket enforces public access prevention, so allUsers and allAuthenticatedUsers have no roles.
    `added`: the resource was created in the running lab rather than by lab.yaml.

    Imported resources also have: `unknown`, the parts that could not be read (iam/lab/imported.py); `acls`, whether a
    bucket's objects may have ACLs; `listed_only`, whether the import found a bucket only in the list; `imported` and
    `parent`, for a project, the principal that imported it and the folder or organization that contains it.
    """

    project: str
    policy: dict[str, Any]  # Google's JSON
    revision: int = 1
    private: bool = False
    added: bool = False
    unknown: list[str] = field(default_factory=list)
    acls: bool = False
    listed_only: bool = False
    imported: str = ""
    parent: str = ""

    @property
    def etag(self) -> str:
        """The policy's etag, which changes with each revision."""
        return f"BwY{self.revision:08x}="

    def parsed(self) -> Policy:
        """The policy as a value, without public members if the bucket is private."""
        policy = policy_from_json({key: value for key, value in self.policy.items() if key != "etag"})
        return without_public(policy) if self.private else policy


@dataclass(slots=True)
class LabState:
    """The complete state of the lab's cloud. `file` is where the state is saved; None in tests."""

    user: str
    job: str
    numbers: dict[str, int]
    users: list[str]
    groups: dict[str, list[str] | None]  # None: the members are unknown
    roles: dict[str, list[str] | None]  # None: it is unknown what the role includes
    deny: dict[str, list[dict[str, Any]]]
    projects: dict[str, PolicyHolder]
    buckets: dict[str, PolicyHolder]
    accounts: dict[str, PolicyHolder]
    # Initial content by bucket and name: text, or the number of zero bytes in a placeholder.
    objects: dict[str, dict[str, str | int]] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)  # custom roles' stages, if not GA
    deleted: dict[str, float] = field(default_factory=dict)  # accounts' deletion times, by principal
    chosen_job: str = ""  # the job principal chosen in the running lab; "" if none was
    source: str = ""  # digest of the lab.yaml it was created from
    file: Path | None = None
    job_is_set: bool = False  # LAB_SERVICE_ACCOUNT sets the job principal
    # Caches: policies by name, holder and revision; roles; groups.
    known: dict[str, tuple[PolicyHolder | None, int, Policy]] = field(default_factory=dict, repr=False)
    all_roles: Mapping[str, Role] = field(init=False, repr=False)
    members: Mapping[str, frozenset[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        effective = {name: [] if self.is_inactive(name) else held for name, held in self.roles.items()}
        known = {name: frozenset(held) for name, held in effective.items() if held is not None}
        self.all_roles = load_roles(known)
        self.members = {
            name: frozenset(members) for name, members in self.groups.items() if members is not None
        }

    def is_inactive(self, role: str) -> bool:
        """Whether a custom role grants nothing because it is disabled or deleted."""
        return self.stages.get(role) in INACTIVE

    def decide(self, principal: str, permission: str, resource: Resource, **more: Any) -> Decision:
        """The IAM decision, based on the lab's roles, groups and policies."""
        known = {"roles": self.all_roles, "groups": self.members, **more}
        return imported.adjusted(
            self, principal, decide(principal, permission, resource, self.policies(resource), **known)
        )

    def policies(self, resource: Resource) -> Policies:
        """The policies that apply to a resource."""
        own: PolicyHolder | None = None
        project = resource.name.split("/")[1]
        if resource.bucket:
            own = self.buckets.get(resource.bucket)
            project = own.project if own else ""
        elif resource.type == ACCOUNT:
            own = self.accounts.get(resource.name.rpartition("/")[2])
        holder = self.projects.get(project)
        unknown = holder.unknown if holder else []
        bucket = self.parsed(resource.name, own) if own else Policy()
        if own is None and resource.type == ACCOUNT and "accounts" in unknown:
            bucket = None  # there may be such an account
        if own and "metadata" in own.unknown:  # the bucket may belong to any project
            return Policies(bucket, None, project, None, complete=False, acls=True)
        return Policies(
            bucket=bucket,
            project=self.parsed(project, holder) if holder else Policy(),
            project_id=project,
            deny=None if "deny" in unknown else self.deny_rules(project),
            complete="inherited" not in unknown,
            acls=own.acls if own else False,
        )

    def parsed(self, name: str, holder: PolicyHolder) -> Policy | None:
        """A holder's policy as a value, cached per revision. None if it is unknown."""
        if "policy" in holder.unknown:
            return None
        key = name.partition("/objects/")[0]
        known, revision, policy = self.known.get(key, (None, 0, Policy()))
        if known is not holder or revision != holder.revision:
            policy = holder.parsed()
            self.known[key] = (holder, holder.revision, policy)
        return policy

    def is_imported(self, resource: Resource) -> bool:
        """Whether an import created the resource's project or the resource."""
        project = self.projects.get(self.policies(resource).project_id)
        return bool(project and project.imported)

    def deny_rules(self, project: str) -> tuple[DenyRule, ...]:
        """The rules in a project's deny policies."""
        return tuple(rule for document in self.deny.get(project, ()) for rule in deny_from_json(document))

    def number(self, project: str) -> int:
        """The project number for a project ID."""
        return self.numbers[project]

    def project_named(self, name: str) -> str:
        """The project ID for a project ID or number; empty if the project does not exist."""
        if name in self.projects:
            return name
        return next((project for project, number in self.numbers.items() if str(number) == name), "")

    def add_bucket(self, name: str, project: str, added: bool = False) -> None:
        """Add a bucket with the default bindings."""
        policy = {"version": 1, "bindings": legacy_bindings(project)}
        self.buckets[name] = PolicyHolder(project, policy, added=added)
        self.known.pop(f"projects/_/buckets/{name}", None)

    def set_policy(self, holder: PolicyHolder, document: Mapping[str, Any]) -> None:
        """Replace a policy. Raises MalformedPolicy if it is invalid or contains a member that does not exist."""
        policy = checked_policy(document, {*self.all_roles, *self.roles}, self)
        holder.policy = {k: v for k, v in policy_to_json(policy).items() if k != "etag"}
        holder.revision += 1

    def set_private(self, bucket: str, private: bool) -> None:
        """Turn a bucket's public access prevention on or off."""
        holder = self.buckets[bucket]
        if holder.private != private:
            holder.private = private
            self.known.pop(f"projects/_/buckets/{bucket}", None)
            self.save()

    def choose_job(self, account: str) -> None:
        """Make a service account the job principal, in the running lab and after later starts."""
        before = self.job, self.chosen_job
        self.job = self.chosen_job = f"serviceAccount:{account}"
        try:
            self.save()
        except BaseException:
            self.job, self.chosen_job = before
            raise

    def save(self) -> None:
        """Write the state to its file, if it has one."""
        if self.file:
            write_private(self.file, json.dumps(self.as_json(), indent=1).encode())

    def as_json(self) -> dict[str, Any]:
        """The state as JSON, in the format that `state_file` reads."""

        def plain(holders: Mapping[str, PolicyHolder]) -> dict[str, Any]:
            return {name: asdict(holder) for name, holder in holders.items()}

        return {
            "user": self.user,
            "job": self.job,
            "numbers": self.numbers,
            "users": self.users,
            "groups": self.groups,
            "roles": self.roles,
            "deny": self.deny,
            "projects": plain(self.projects),
            "buckets": plain(self.buckets),
            "accounts": plain(self.accounts),
            "objects": self.objects,
            "stages": self.stages,
            "deleted": self.deleted,
            "chosen_job": self.chosen_job,
            "source": self.source,
        }


def legacy_bindings(project: str) -> list[dict[str, Any]]:
    """The bindings that Cloud Storage adds to a new bucket; see LEGACY."""
    return [
        {"role": role, "members": [f"{kind}:{project}" for kind in kinds]} for role, kinds in LEGACY.items()
    ]
