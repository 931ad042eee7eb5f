"""Authenticates and authorizes gRPC calls, through cloud/identity/access.py.

In the public record of Google's permissions (https://github.com/iann0036/iam-dataset, gcp/roles/), roles include
create, delete, get and list for aiplatform.persistentResources, but not update, although Google's page on reboots
mentions it: https://cloud.google.com/vertex-ai/docs/training/persistent-resource-reboot. The lab therefore requires
create for an update: a caller that may create a cluster may resize it. Not verified against the real service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cloud.controlplane import errors
from cloud.controlplane.names import Name
from cloud.identity.access import Access
from cloud.identity.tokens import BadToken
from cloud.lab_state import LabState
from iam.policy import resource as resources
from iam.policy.principal import is_service_agent

PREFIX = "aiplatform.persistentResources"
REQUIRED = {verb: f"{PREFIX}.{verb}" for verb in ("create", "get", "list", "delete")}
REQUIRED |= dict.fromkeys(("update", "reboot"), REQUIRED["create"])
Metadata = Iterable[tuple[str, "str | bytes"]]


@dataclass(frozen=True, slots=True)
class Permission:
    """Checks callers. `access` returns the permission checks for the lab's current policies."""

    access: Callable[[], Access]

    @property
    def lab_state(self) -> LabState:
        """The lab's current state."""
        return self.access().lab_state

    def caller(self, metadata: Metadata) -> str:
        """The principal of a call's token. Raises RpcError (UNAUTHENTICATED) without a valid token."""
        found = [str(value) for key, value in metadata if key.lower() == "authorization"]
        return self.header_principal(found[0] if len(found) == 1 else "")

    def header_principal(self, header: str) -> str:
        """The principal of an Authorization header. Raises RpcError like `caller`."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise errors.unauthenticated("")
        try:
            return self.access().token_principal(token.strip())
        except BadToken:
            raise errors.unauthenticated(token) from None

    def require(self, principal: str, verb: str, name: Name) -> str:
        """The ID of the name's project. Raises RpcError if the caller lacks permission or the project is unknown."""
        access, permission = self.access(), REQUIRED[verb]
        project = access.lab_state.project_named(name.project)
        if not project or not access.may(principal, permission, name.resource(project)):
            raise errors.denied(permission, name.text)
        return project

    def require_acting_as(self, principal: str, account: str) -> None:
        """Raise RpcError unless the caller may act as the account, which must exist and not be a service agent."""
        access = self.access()
        holder = access.lab_state.accounts.get(account)
        if holder is None or is_service_agent(account):
            raise errors.no_acting_as(account)
        resource = resources.service_account(account, holder.project)
        if not access.may(principal, "iam.serviceAccounts.actAs", resource):
            raise errors.no_acting_as(account)
