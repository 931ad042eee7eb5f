"""What lab.yaml has for projects that `python -m iam import` read: unknown parts, and a managed cluster's shape.

A part that could not be read is listed under `unknown`. What depends on it is UNKNOWN in the lab.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iam.errors import IamError
from iam.policy.document import DocumentReader

READ = DocumentReader(IamError)
UNKNOWN = "unknown"  # in place of a role's permissions or a group's members
INACTIVE = frozenset({"DISABLED", "DELETED"})  # stages in which a role grants nothing
# The parts that may be unknown, with what they are called in messages.
OF_PROJECT = {
    "project": "the project's number and parent",
    "policy": "the project's policy",
    "inherited": "the policies of the folders and the organization above the project",
    "deny": "the project's deny policies",
    "buckets": "the list of the project's buckets",
    "accounts": "the list of the project's service accounts",
}
OF_BUCKET = {
    "policy": "the bucket's policy",
    "metadata": "the bucket's project and access settings",
    "objects": "the list of the bucket's objects",
}
OF_ACCOUNT = {"policy": "the account's policy"}


@dataclass(frozen=True, slots=True)
class LabRole:
    """A custom role. `permissions` is None if it is unknown what the role includes."""

    permissions: tuple[str, ...] | None
    stage: str = "GA"

    @property
    def effective(self) -> list[str] | None:
        """The permissions that a binding of the role grants: none if the role is disabled or deleted."""
        if self.stage in INACTIVE:
            return []
        return None if self.permissions is None else list(self.permissions)


@dataclass(frozen=True, slots=True)
class LabPool:
    """A resource pool of a managed cluster. If the number of nodes is fixed, `min_nodes` and `max_nodes` are 0."""

    id: str
    machine_type: str
    nodes: int
    accelerator_type: str = ""
    accelerator_count: int = 0
    min_nodes: int = 0
    max_nodes: int = 0


@dataclass(frozen=True, slots=True)
class LabCluster:
    """A managed Ray cluster; the first pool includes its head. `service_account` is "" for the service agent."""

    region: str
    service_account: str
    pools: tuple[LabPool, ...]


def unknown_parts(body: Mapping[str, Any], known: Mapping[str, str], where: str) -> list[str]:
    """Parse a list of unknown parts. Raises IamError for a part that is not in `known`."""
    found = list(READ.texts(body.get("unknown") or [], f"{where}.unknown"))
    for part in found:
        if part not in known:
            raise IamError(f"{where}.unknown: {part!r} is not one of {', '.join(known)}.")
    return found


def roles_of(item: object) -> dict[str, LabRole]:
    """Parse `roles`: for each, its permissions, or `unknown`, or an object with `permissions` and `stage`."""
    found = READ.mapping(item or {}, "roles")
    return {READ.text(name, "roles"): role_of(body, f"roles.{name}") for name, body in found.items()}


def role_of(body: object, where: str) -> LabRole:
    """Parse one entry of `roles`."""
    if body == UNKNOWN:
        return LabRole(None)
    if not isinstance(body, Mapping):
        return LabRole(READ.texts(body or [], where))
    fields = READ.keys(body, ("permissions", "stage"), where)
    return LabRole(
        READ.texts(fields.get("permissions") or [], f"{where}.permissions"),
        READ.text(fields.get("stage", "GA"), f"{where}.stage"),
    )


def groups_of(item: object) -> dict[str, list[str] | None]:
    """Parse `groups`: for each, its members, or `unknown`, which becomes None."""
    found = READ.mapping(item or {}, "groups")
    return {
        READ.text(name, "groups"): None if body == UNKNOWN else list(READ.texts(body or [], f"groups.{name}"))
        for name, body in found.items()
    }


def clusters_of(item: object) -> dict[str, LabCluster]:
    """Parse `clusters`."""
    found = READ.mapping(item or {}, "clusters")
    return {READ.text(name, "clusters"): cluster_of(body, f"clusters.{name}") for name, body in found.items()}


def cluster_of(body: object, where: str) -> LabCluster:
    """Parse one entry of `clusters`."""
    fields = READ.keys(body, ("region", "service_account", "pools"), where)
    pools = READ.items(fields.get("pools"), f"{where}.pools")
    if not pools:
        raise IamError(f"{where}.pools is empty.")
    return LabCluster(
        READ.text(fields.get("region", ""), f"{where}.region"),
        READ.text(fields.get("service_account", ""), f"{where}.service_account"),
        tuple(pool_of(one, f"{where}.pools[{n}]") for n, one in enumerate(pools)),
    )


def pool_of(body: object, where: str) -> LabPool:
    """Parse one pool of a cluster."""
    fields = READ.keys(body, tuple(LabPool.__slots__), where)
    texts = {key: READ.text(fields.get(key, ""), f"{where}.{key}") for key in TEXTS}
    counts = {key: count(fields.get(key, 0), f"{where}.{key}") for key in COUNTS}
    return LabPool(**texts, **counts)  # type: ignore[arg-type]


TEXTS = ("id", "machine_type", "accelerator_type")
COUNTS = ("nodes", "accelerator_count", "min_nodes", "max_nodes")


def count(item: object, where: str) -> int:
    """Parse a number of nodes or bytes. Raises IamError unless it is an integer of at least 0."""
    if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item < 2**63:
        raise IamError(f"{where} must be a number, not {item!r}.")
    return item
