"""A project's buckets and service accounts in lab.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iam.errors import IamError
from iam.lab.imported import OF_ACCOUNT, OF_BUCKET, OF_PROJECT, READ, count, unknown_parts

PROJECT_KEYS = {"number", "policy", "deny", "accounts", "buckets", "imported", "unknown", "parent"}
BUCKET_KEYS = {"bindings", "objects"}
# Only buckets of imported projects have these.
IMPORTED_BUCKET_KEYS = {"policy", "unknown", "acls", "public_access_prevention", "listed_only"}
ACCOUNT_KEYS = {"policy", "unknown"}


@dataclass(frozen=True, slots=True)
class LabProject:
    """What lab.yaml says about a project besides its policies.

    imported: the principal that imported it, and so could read all parts that are not `unknown`; else ""
    parent: the folder or organization that contains it, "" if it has none
    """

    imported: str = ""
    unknown: tuple[str, ...] = ()
    parent: str = ""


@dataclass(frozen=True, slots=True)
class LabBucket:
    """A bucket in lab.yaml.

    bindings: in addition to every new bucket's legacy bindings
    objects: its initial objects: name → content, or the size in bytes of a placeholder
    policy: the complete policy of an imported bucket, with no legacy bindings added
    acls: its objects may have ACLs, because it does not have uniform bucket-level access
    private: public access prevention is enforced
    listed_only: the importing caller could list the bucket, but not look it up
    """

    project: str
    bindings: list[dict[str, Any]] = field(default_factory=list)
    objects: dict[str, str | int] = field(default_factory=dict)
    policy: dict[str, Any] | None = None
    unknown: tuple[str, ...] = ()
    acls: bool = False
    private: bool = False
    listed_only: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """Its own policy in Google's format, without the legacy bindings of a new bucket."""
        return self.policy if self.policy is not None else {"version": 3, "bindings": self.bindings}


@dataclass(frozen=True, slots=True)
class LabAccount:
    """A service account in lab.yaml, with its policy in Google's format."""

    project: str
    policy: dict[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def refuse_unknown(fields: Mapping[str, Any], known: set[str], where: str) -> None:
    """Raise IamError for a key that is not in `known`."""
    for key in fields:
        if key not in known:
            raise IamError(f"{where} has an unknown key {key!r}; allowed: {', '.join(sorted(known))}.")


def project_of(name: str, body: Mapping[str, Any]) -> LabProject:
    """Parse a project's own fields."""
    return LabProject(
        READ.text(body.get("imported", ""), f"{name}.imported"),
        tuple(unknown_parts(body, OF_PROJECT, name)),
        READ.text(body.get("parent", ""), f"{name}.parent"),
    )


def buckets_of(name: str, body: Mapping[str, Any]) -> dict[str, LabBucket]:
    """Parse a project's `buckets`."""
    allowed = BUCKET_KEYS | IMPORTED_BUCKET_KEYS if body.get("imported") else BUCKET_KEYS
    found = READ.mapping(body.get("buckets") or {}, f"{name}.buckets")
    for bucket, known in found.items():
        READ.text(bucket, f"{name}.buckets")
        refuse_unknown(READ.mapping(known or {}, bucket), allowed, bucket)
    return {bucket: bucket_of(name, bucket, known or {}) for bucket, known in found.items()}


def bucket_of(project: str, name: str, known: Mapping[str, Any]) -> LabBucket:
    """Parse one entry of `buckets`."""
    objects = READ.mapping(known.get("objects") or {}, "objects")
    prevention = READ.text(known.get("public_access_prevention", ""), f"{name}.public_access_prevention")
    policy = known.get("policy")
    return LabBucket(
        project,
        READ.items(known.get("bindings") or [], "bindings"),
        {READ.text(key, "objects"): content(value, f"objects.{key}") for key, value in objects.items()},
        None if policy is None else dict(READ.mapping(policy, f"{name}.policy")),
        tuple(unknown_parts(known, OF_BUCKET, name)),
        flag(known.get("acls", False), f"{name}.acls"),
        prevention == "enforced",
        flag(known.get("listed_only", False), f"{name}.listed_only"),
    )


def content(item: object, where: str) -> str | int:
    """Parse an object: a string is its content, {size: N} makes it a placeholder of N zero bytes."""
    if not isinstance(item, Mapping):
        return READ.text(item, where)
    fields = READ.keys(item, ("size",), where)
    return count(fields.get("size"), f"{where}.size")


def flag(item: object, where: str) -> bool:
    """Parse a boolean."""
    if not isinstance(item, bool):
        raise IamError(f"{where} must be true or false, not {item!r}.")
    return item


def accounts_of(name: str, body: Mapping[str, Any]) -> dict[str, LabAccount]:
    """Parse a project's `accounts`: a list of addresses, or an object with each account's policy."""
    item, where = body.get("accounts") or [], f"{name}.accounts"
    if not isinstance(item, Mapping):
        return {address: LabAccount(name) for address in READ.texts(item, where)}
    found = dict[str, LabAccount]()
    for address, known in item.items():
        refuse_unknown(READ.mapping(known or {}, READ.text(address, where)), ACCOUNT_KEYS, address)
        parts = tuple(unknown_parts(known or {}, OF_ACCOUNT, address))
        policy = dict(READ.mapping((known or {}).get("policy") or {}, f"{address}.policy"))
        found[address] = LabAccount(name, policy, parts)
    return found
