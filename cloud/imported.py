"""Decisions about an imported project's own settings: reading them, and everything that an import left unknown.

An import is a proof: its caller could read each part that is not unknown, even if the policies alone can't tell
because a deny policy or an inherited policy is unknown. No caller can read or replace an unknown part in the lab.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from iam.lab.imported import OF_ACCOUNT, OF_BUCKET, OF_PROJECT
from iam.policy.evaluate import Decision, Verdict
from iam.policy.principal import normal
from iam.policy.resource import ACCOUNT, BUCKET, PROJECT, Resource

if TYPE_CHECKING:
    from cloud.lab_state import LabState, PolicyHolder

# The part that each permission reads, or replaces.
READS: Mapping[str, Mapping[str, str]] = {
    BUCKET: {
        "storage.buckets.get": "metadata",
        "storage.buckets.getIamPolicy": "policy",
        "storage.buckets.setIamPolicy": "policy",
    },
    PROJECT: {
        "resourcemanager.projects.get": "project",
        "resourcemanager.projects.getIamPolicy": "policy",
        "resourcemanager.projects.setIamPolicy": "policy",
        "iam.denypolicies.get": "deny",
        "iam.denypolicies.list": "deny",
        "iam.serviceAccounts.list": "accounts",
        "storage.buckets.list": "buckets",
    },
    ACCOUNT: {"iam.serviceAccounts.getIamPolicy": "policy", "iam.serviceAccounts.setIamPolicy": "policy"},
}
NAMES = {BUCKET: OF_BUCKET, PROJECT: OF_PROJECT, ACCOUNT: OF_ACCOUNT}


def adjusted(lab_state: LabState, principal: str, decision: Decision) -> Decision:
    """The decision, adjusted for a permission that reads or replaces a part of an imported project."""
    resource, permission = decision.resource, decision.permission
    part = READS.get(resource.type, {}).get(permission)
    holder = holder_of(lab_state, resource) if part else None
    if part is None or holder is None or not (caller := importer(lab_state, holder)):
        return decision
    if part in holder.unknown:
        why = f"{NAMES[resource.type][part]} could not be read by the import"
        return unknown(decision, why)
    if decision.verdict is not Verdict.UNKNOWN or normal(principal) != normal(caller):
        return decision
    return decision if is_unproven(lab_state, permission, holder) else granted(decision, caller)


def is_unproven(lab_state: LabState, permission: str, holder: PolicyHolder) -> bool:
    """Whether the import did not use the permission: it reads only, and can read what is listed in two ways."""
    listed = permission == "storage.buckets.get" and holder.listed_only
    none = permission == "iam.denypolicies.get" and not lab_state.deny.get(holder.project)
    return permission.endswith(".setIamPolicy") or listed or none


def unknown(decision: Decision, why: str) -> Decision:
    """The decision for an unknown part."""
    return Decision(Verdict.UNKNOWN, decision.permission, decision.resource, None, "", why)


def granted(decision: Decision, caller: str) -> Decision:
    """The decision for what the import's caller could read."""
    why = f"{caller} could read it when the project was imported"
    return Decision(Verdict.GRANTED, decision.permission, decision.resource, None, "", why)


def holder_of(lab_state: LabState, resource: Resource) -> PolicyHolder | None:
    """The resource's entry in the lab; None if there is none, or if it was added to the running lab."""
    name = resource.name.rpartition("/")[2]
    found = {
        BUCKET: lab_state.buckets.get(resource.bucket),
        PROJECT: lab_state.projects.get(lab_state.project_named(name)),
        ACCOUNT: lab_state.accounts.get(name),
    }.get(resource.type)
    return None if found is None or found.added else found


def importer(lab_state: LabState, holder: PolicyHolder) -> str:
    """The principal that imported the resource's project; "" if the project was not imported."""
    project = lab_state.projects.get(holder.project)
    return project.imported if project else ""


def unlisted(lab_state: LabState) -> Iterator[str]:
    """The projects whose list of buckets is unknown, so that further buckets may exist."""
    return (name for name, holder in lab_state.projects.items() if "buckets" in holder.unknown)
