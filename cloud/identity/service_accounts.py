"""Service accounts, their policies and their access tokens: iam and iamcredentials.googleapis.com."""

from __future__ import annotations

import datetime
import re
from typing import Any

from cloud.google_errors import ApiError, denied_elsewhere
from cloud.identity.access import Access
from cloud.identity.policies import PolicyResource
from cloud.identity.projects import Body, Names, require_project
from cloud.lab_state import PolicyHolder
from iam.policy import resource as resources
from iam.policy.principal import is_custom_account, is_service_agent, normal, wrong_account_id

LONGEST = 3600.0  # maximum lifetime of a service account's token, in seconds


async def accounts(access: Access, principal: str, body: Body, names: Names) -> Any:
    """List a project's service accounts."""
    project = require_project(access, names["project"], principal, "iam.serviceAccounts.list")
    held = {a: h for a, h in access.lab_state.accounts.items() if h.project == project}
    return {"accounts": [account_resource(a, h) for a, h in held.items()]} if held else {}


async def create_account(access: Access, principal: str, body: Body, names: Names) -> Any:
    """Create a service account. Raises ApiError: 400 for an invalid ID, 409 if it already exists."""
    project = require_project(access, names["project"], principal, "iam.serviceAccounts.create")
    name = str(body.get("accountId") or "")
    if wrong_account_id(name):
        raise ApiError(
            400, "invalid", f"Invalid account ID '{name}': use 6 to 30 characters from a-z, 0-9 and dashes."
        )
    address = f"{name}@{project}.iam.gserviceaccount.com"
    if address in access.lab_state.accounts:
        raise ApiError(
            409, "conflict", f"Service account {name} already exists within project projects/{project}."
        )
    holder = PolicyHolder(project, {"version": 1, "bindings": []}, added=True)
    access.lab_state.accounts[address] = holder
    access.lab_state.save()
    return account_resource(address, holder)


async def account(access: Access, principal: str, body: Body, names: Names) -> Any:
    """Get a service account."""
    address, holder = require_account(access, names["account"], principal, "iam.serviceAccounts.get")
    return account_resource(address, holder)


async def delete_account(access: Access, principal: str, body: Body, names: Names) -> Any:
    """Delete a service account. Its bindings remain, with `deleted:` members, as on Google Cloud."""
    address, _ = require_account(access, names["account"], principal, "iam.serviceAccounts.delete")
    lab_state = access.lab_state
    del lab_state.accounts[address]
    member, deleted = f"serviceAccount:{address}", f"deleted:serviceAccount:{address}?uid=1"
    for holder in (
        *lab_state.projects.values(),
        *lab_state.buckets.values(),
        *lab_state.accounts.values(),
    ):
        for binding in holder.policy.get("bindings", ()):
            binding["members"] = [deleted if normal(one) == member else one for one in binding["members"]]
        holder.revision += 1
    lab_state.deleted[member] = access.tokens.clock()
    lab_state.save()
    return {}


async def account_policy(access: Access, principal: str, body: Body, names: Names) -> Any:
    """Get, set or test a service account's policy."""
    address, holder = require_account(access, names["account"], principal, "")
    resource = resources.service_account(address, holder.project)
    return PolicyResource(access, resource, holder, "iam.serviceAccounts").answer(
        principal, names["verb"], body
    )


def require_account(
    access: Access, address: str, principal: str, permission: str
) -> tuple[str, PolicyHolder]:
    """A service account. Raises ApiError: 404 if it does not exist, 403 if the caller lacks `permission` (if given)."""
    holder = access.lab_state.accounts.get(address)
    if holder is None:
        raise ApiError(404, "notFound", f"Unknown service account: {address}")
    if permission:
        access.require(principal, permission, resources.service_account(address, holder.project))
    return address, holder


def account_resource(address: str, holder: PolicyHolder) -> dict[str, Any]:
    """A service account in the IAM API's format."""
    name = f"projects/{holder.project}/serviceAccounts/{address}"
    return {
        "name": name,
        "projectId": holder.project,
        "email": address,
        "uniqueId": "1",
        "etag": holder.etag,
    }


async def access_token(access: Access, principal: str, body: Body, names: Names) -> Any:
    """Mint a token for a custom service account. Raises ApiError (403) for a service agent.

    The caller needs iam.serviceAccounts.getAccessToken on the account or its project.
    """
    address = names["account"]
    permission = "iam.serviceAccounts.getAccessToken"
    holder = access.lab_state.accounts.get(address)
    if holder is None or is_service_agent(address) or not is_custom_account(address):
        raise denied_elsewhere(permission, f"projects/-/serviceAccounts/{address}")
    access.require(principal, permission, resources.service_account(address, holder.project))
    lifetime = seconds(body.get("lifetime") or f"{LONGEST:.0f}s")
    token, expires = access.tokens.mint(f"serviceAccount:{address}", min(lifetime, access.tokens.lifetime))
    return {"accessToken": token, "expireTime": rfc3339(expires)}


def seconds(duration: Any) -> float:
    """A token's lifetime in seconds, from a JSON duration such as "300s". Raises ApiError (400) if invalid."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s", duration) if isinstance(duration, str) else None
    if not found or not 0 < float(found[1]) <= LONGEST:
        raise ApiError(
            400, "invalid", f"Invalid value for lifetime: it must be over 0s and at most {LONGEST:.0f}s."
        )
    return float(found[1])


def rfc3339(seconds: float) -> str:
    """A Unix time in RFC 3339 format."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
