"""What an import read, as values. None stands for a part that could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from iam.lab.imported import LabCluster, LabRole
from iam.policy.policies import Policy
from iam.policy.principal import normal
from iam.policy_reader import BucketAccess
from iam.project_import.parts import Hidden


@dataclass(frozen=True, slots=True)
class BucketSnapshot:
    """A bucket. `objects`: the names and sizes of the first objects, empty unless they were requested."""

    policy: Policy | None
    access: BucketAccess | None
    listed_only: bool = False
    requester_pays: bool = False
    objects: tuple[tuple[str, int], ...] | None = ()


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """A service account."""

    policy: Policy | None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class ProjectSnapshot:
    """A project, as one caller sees it.

    number: "" if it is unknown
    parent: the folder or organization that contains it, "" if it has none; None if unknown
    deny: the project's deny policies, in Google's format
    buckets, accounts: those that are known; `all_buckets` and `all_accounts`: whether the lists could be read
    roles: the roles in its policies that are not in iam/policy/roles.yaml
    groups: the members of the groups in its policies
    cluster: a managed cluster's name and shape
    """

    id: str
    caller: str
    number: str
    parent: str | None
    policy: Policy | None
    deny: tuple[Mapping[str, Any], ...] | None
    buckets: Mapping[str, BucketSnapshot]
    accounts: Mapping[str, AccountSnapshot]
    all_buckets: bool = True
    all_accounts: bool = True
    roles: Mapping[str, LabRole] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    cluster: tuple[str, LabCluster] | None = None
    hidden: tuple[Hidden, ...] = ()

    def policies(self) -> Iterator[Policy]:
        """All policies that could be read."""
        for policy in (
            self.policy,
            *(one.policy for one in self.buckets.values()),
            *(one.policy for one in self.accounts.values()),
        ):
            if policy:
                yield policy

    def role_names(self) -> set[str]:
        """The roles that the policies grant."""
        return {binding.role for policy in self.policies() for binding in policy.bindings}

    def members(self) -> set[str]:
        """All members of the policies and the deny policies, normalized."""
        found = {m for policy in self.policies() for binding in policy.bindings for m in binding.members}
        for document in self.deny or ():
            for rule in document["rules"]:
                body = rule["denyRule"]
                found |= {*body.get("deniedPrincipals", ()), *body.get("exceptionPrincipals", ())}
        return {normal(member) for member in found}
