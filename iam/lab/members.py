"""The principals that exist in a lab, and the one that jobs run as."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from iam.errors import IamError, MalformedPolicy
from iam.policy.policies import Policy, policy_from_json
from iam.policy.principal import WORKLOAD, is_service_agent, normal
from raydock.terminal.commandline import near


class Members(Protocol):
    """The principals of a lab."""

    @property
    def user(self) -> str:
        """The user of this machine, who owns the projects."""
        ...

    @property
    def users(self) -> Collection[str]:
        """The other users, and service accounts of projects that are not in the lab."""
        ...

    @property
    def groups(self) -> Collection[str]:
        """The groups, as principals."""
        ...

    @property
    def accounts(self) -> Collection[str]:
        """The email addresses of the service accounts."""
        ...


def checked_policy(document: Mapping[str, Any], roles: Collection[str], members: Members) -> Policy:
    """Parse a policy. Raises MalformedPolicy if it is malformed or contains an unknown role or member."""
    policy = policy_from_json(document)
    for binding in policy.bindings:
        if binding.role not in roles:
            raise MalformedPolicy(f"Role {binding.role} is not supported for this resource.")
        for member in binding.members:
            require_member(member, members)
    return policy


def require_member(member: str, members: Members) -> None:
    """Raise MalformedPolicy, with Google's wording, if a user, group or service account does not exist."""
    kind, _, value = normal(member).partition(":")
    users = [normal(one) for one in (members.user, *members.users)]
    exists = {
        "user": normal(member) in users,
        "group": normal(member) in [normal(one) for one in members.groups],
        "serviceAccount": value in members.accounts
        or is_service_agent(value)
        or normal(member) in users
        or bool(WORKLOAD.fullmatch(normal(member))),  # Kubernetes' accounts are not known here
    }
    if not exists.get(kind, True):
        what = {"user": "User", "group": "Group"}.get(kind, "Service account")
        raise MalformedPolicy(f"{what} {value} does not exist.")


def job_principal(service_account: str, accounts: Collection[str]) -> str:
    """The principal that LAB_SERVICE_ACCOUNT sets, "" if unset. Raises IamError if there is no such account."""
    if service_account and service_account not in accounts and not is_service_agent(service_account):
        known = {one.partition("@")[0]: one for one in accounts}
        close = near(service_account.partition("@")[0], known)
        others = f"Add it to iam/lab.yaml, or use one of these: {', '.join(accounts) or 'none'}"
        raise IamError(
            f"LAB_SERVICE_ACCOUNT is {service_account}, which does not exist in the lab.",
            f"Did you mean {known[close]}?" if close else others,
        )
    return f"serviceAccount:{service_account}" if service_account else ""
