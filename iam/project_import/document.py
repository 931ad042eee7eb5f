"""Turns a snapshot into a lab file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from iam.lab.imported import UNKNOWN, LabCluster, LabRole
from iam.policy.policies import Policy, policy_to_json
from iam.policy.principal import code_agent, is_service_agent, normal
from iam.project_import.snapshot import AccountSnapshot, BucketSnapshot, ProjectSnapshot

NUMBER = 100000000000  # in place of a project's number that could not be read
YOU = "user:you@example.com"  # in place of a caller that Google does not name
WIDTH = 110
HEADER = """\
# Imported from project {project} as {caller} by `python -m iam import`. The lab decides as the project would.
# Parts listed under `unknown` could not be read: what depends on them is UNKNOWN, and the lab refuses it.
# How to use and edit this file: docs/import.md
"""
Json = dict[str, Any]


def lab_text(found: ProjectSnapshot, assumed: frozenset[str] = frozenset()) -> str:
    """The lab file as YAML. `assumed`: unknown parts that the user declares empty: "deny" and "inherited"."""
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    body = yaml.dump(
        lab_document(found, assumed), Dumper=Dumper, sort_keys=False, width=WIDTH, default_flow_style=False
    )
    return HEADER.format(project=found.id, caller=found.caller or YOU) + body


def lab_document(found: ProjectSnapshot, assumed: frozenset[str] = frozenset()) -> Json:
    """The lab file as a document."""
    accounts = accounts_of(found)
    return without_empty(
        {
            "user": found.caller or YOU,
            "job": f"serviceAccount:{job_of(found)}",
            "users": users_of(found, accounts),
            "groups": {name: UNKNOWN if m is None else sorted(m) for name, m in sorted(found.groups.items())},
            "roles": {name: role_of(role) for name, role in sorted(found.roles.items())},
            "clusters": {name: cluster_of(shape) for name, shape in [found.cluster] if found.cluster}
            if found.cluster
            else {},
            "projects": {found.id: project_of(found, accounts, assumed)},
        }
    )


def project_of(found: ProjectSnapshot, accounts: Mapping[str, Json], assumed: frozenset[str]) -> Json:
    """The project's entry."""
    inherited = found.parent is None or bool(found.parent)
    parts = {
        "project": found.parent is None,
        "policy": found.policy is None,
        "inherited": inherited and "inherited" not in assumed,
        "deny": found.deny is None and "deny" not in assumed,
        "buckets": not found.all_buckets,
        "accounts": not found.all_accounts,
    }
    return {
        "number": int(found.number or NUMBER),
        **without_empty(
            {
                "imported": found.caller or YOU,
                "parent": (found.parent or "") if parts["inherited"] else "",
                "unknown": [part for part, hidden in parts.items() if hidden],
                "policy": policy_of(found.policy),
                "deny": [dict(one) for one in found.deny or ()],
            }
        ),
        "accounts": dict(accounts),
        "buckets": {name: bucket_of(one) for name, one in sorted(found.buckets.items())},
    }


def accounts_of(found: ProjectSnapshot) -> dict[str, Json]:
    """The entries of the service accounts, including those that only policies name if the list is hidden."""
    known = {address: account_of(one) for address, one in sorted(found.accounts.items())}
    if not found.all_accounts:
        for address in sorted(addresses(found.members(), job_of(found))):
            if address.endswith(f"@{found.id}.iam.gserviceaccount.com"):
                known.setdefault(address, {"unknown": ["policy"]})
    return known


def addresses(members: Iterable[str], job: str) -> set[str]:
    """The service accounts among the members, and the one that jobs run as."""
    found = {one.partition(":")[2] for one in members if one.startswith("serviceAccount:")}
    return {one for one in (*found, job) if not is_service_agent(one)}


def account_of(one: AccountSnapshot) -> Json:
    """A service account's entry."""
    return without_empty(
        {"unknown": ["policy"] if one.policy is None else [], "policy": policy_of(one.policy)}
    )


def bucket_of(one: BucketSnapshot) -> Json:
    """A bucket's entry."""
    parts = {"policy": one.policy is None, "metadata": one.access is None, "objects": one.objects is None}
    private = one.access is not None and one.access.private
    return without_empty(
        {
            "unknown": [part for part, hidden in parts.items() if hidden],
            "acls": one.access is not None and one.access.acls,
            "public_access_prevention": "enforced" if private else "",
            "listed_only": one.access is not None and one.listed_only,
        }
    ) | {
        "policy": policy_of(one.policy) or {"bindings": []},
        **without_empty({"objects": {name: {"size": size} for name, size in one.objects or ()}}),
    }


def policy_of(policy: Policy | None) -> Json:
    """A policy in Google's format, without its etag; {} if it is hidden or has no bindings."""
    if policy is None or not policy.bindings:
        return {}
    document = policy_to_json(policy)
    return {"version": document["version"], "bindings": document["bindings"]}


def role_of(role: LabRole) -> Any:
    """A role's entry."""
    if role.permissions is None:
        return UNKNOWN
    permissions = sorted(role.permissions)
    return permissions if role.stage == "GA" else {"stage": role.stage, "permissions": permissions}


def cluster_of(cluster: LabCluster) -> Json:
    """A managed cluster's entry."""
    pools = [without_empty(asdict(pool)) for pool in cluster.pools]
    return without_empty({"region": cluster.region, "service_account": cluster.service_account}) | {
        "pools": pools
    }


def job_of(found: ProjectSnapshot) -> str:
    """The address that jobs run as: the cluster's account, or else the project's service agent."""
    own = found.cluster[1].service_account if found.cluster else ""
    return own or code_agent(found.number or str(NUMBER))


def users_of(found: ProjectSnapshot, accounts: Mapping[str, Json]) -> list[str]:
    """The users, and the other projects' service accounts, that the policies name."""
    caller = normal(found.caller or YOU)
    own = {normal(f"serviceAccount:{address}") for address in accounts}
    return sorted(
        member
        for member in found.members() - own - {caller}
        if member.startswith(("user:", "serviceAccount:")) and not is_service_agent(member)
    )


def without_empty(document: Json) -> Json:
    """The document without empty, zero and false values."""
    return {key: value for key, value in document.items() if value}
