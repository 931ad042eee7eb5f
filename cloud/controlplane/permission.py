"""Who calls, and may they: cloud/identity/access.py, for calls over gRPC.

The public record of Google's permissions (https://github.com/iann0036/iam-dataset, gcp/roles/) has create, delete,
get and list of aiplatform.persistentResources in every role, and no update, which Google's page on reboots names:
https://cloud.google.com/vertex-ai/docs/training/persistent-resource-reboot. So the lab asks for create where a cluster
is updated: who may make a cluster may resize it. Not tested against the real service.
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
NEEDS = {verb: f"{PREFIX}.{verb}" for verb in ("create", "get", "list", "delete")}
NEEDS |= dict.fromkeys(("update", "reboot"), NEEDS["create"])
Metadata = Iterable[tuple[str, "str | bytes"]]


@dataclass(frozen=True, slots=True)
class Permission:
    """`access` gives the lab's policies as they are now."""

    access: Callable[[], Access]

    @property
    def lab_state(self) -> LabState:
        return self.access().lab_state

    def caller(self, metadata: Metadata) -> str:
        """The principal of a call's token. Refused (UNAUTHENTICATED) where it has none that counts."""
        found = [str(value) for key, value in metadata if key.lower() == "authorization"]
        return self.holder(found[0] if len(found) == 1 else "")

    def holder(self, header: str) -> str:
        """The principal of an Authorization header."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise errors.unauthenticated("")
        try:
            return self.access().holder(token.strip())
        except BadToken:
            raise errors.unauthenticated(token) from None

    def require(self, principal: str, verb: str, name: Name) -> str:
        """The id of the name's project. Refused where the caller may not do this in it, or there is none."""
        access, permission = self.access(), NEEDS[verb]
        project = access.lab_state.project_named(name.project)
        if not project or not access.may(principal, permission, name.resource(project)):
            raise errors.denied(permission, name.text)
        return project

    def require_acting_as(self, principal: str, account: str) -> None:
        """Refused where the caller may not act as the account, it is a service agent, or there is none."""
        access = self.access()
        holder = access.lab_state.accounts.get(account)
        if holder is None or is_service_agent(account):
            raise errors.no_acting_as(account)
        resource = resources.service_account(account, holder.project)
        if not access.may(principal, "iam.serviceAccounts.actAs", resource):
            raise errors.no_acting_as(account)
