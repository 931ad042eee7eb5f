"""IAM policies over HTTP, for buckets, projects and service accounts: get, set (with an etag) and test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.google_errors import ApiError
from cloud.identity.access import Access
from cloud.lab_state import PolicyHolder
from iam.errors import MalformedPolicy
from iam.policy import resource as resources
from iam.policy.evaluate import Verdict
from iam.policy.policies import PUBLIC
from iam.policy.resource import Resource
from iam.policy.roles import exists
from iam.policy.ternary import Ternary

ON_ACCOUNTS = ("iam.serviceAccounts.", "iam.serviceAccountKeys.")
# Those of the organization: https://github.com/googleapis/google-cloud-java/issues/722
NOT_ON_PROJECTS = ("resourcemanager.projects.create", "resourcemanager.projects.list")
MAX_PRINCIPALS, MAX_CONDITIONAL, MAX_PERMISSIONS = 1500, 100, 100
PUBLIC_ACCESS_PREVENTED = (
    "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is "
    "enforced."
)


@dataclass(frozen=True, slots=True)
class BucketPolicies:
    """`/storage/v1/b/BUCKET/iam`: https://cloud.google.com/storage/docs/json_api/v1/buckets/getIamPolicy"""

    access: Access

    def get(self, principal: str, bucket: str) -> dict[str, Any]:
        """The bucket's policy. Raises ApiError if the caller lacks storage.buckets.getIamPolicy."""
        self.access.require_bucket(principal, "storage.buckets.getIamPolicy", bucket)
        return self.document(bucket)

    def set(self, principal: str, bucket: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the bucket's policy.

        Raises ApiError: 403 without storage.buckets.setIamPolicy, 412 for an outdated etag or for public members if
        those are prevented, 400 for an invalid policy.
        """
        self.access.require_bucket(principal, "storage.buckets.setIamPolicy", bucket)
        holder = self.access.lab_state.buckets[bucket]
        if holder.private and is_public(body):
            raise ApiError(412, "conditionNotMet", PUBLIC_ACCESS_PREVENTED)
        text = "At least one of the pre-conditions you specified did not hold."
        replace(self.access, holder, body, ApiError(412, "conditionNotMet", text))
        return self.document(bucket)

    def test(self, principal: str, bucket: str, permissions: Iterable[str]) -> dict[str, Any]:
        """The response to testIamPermissions."""
        held = granted(self.access, principal, resources.bucket(bucket), permissions)
        fields = {"permissions": held} if held else {}
        return {"kind": "storage#testIamPermissionsResponse", **fields}

    def document(self, bucket: str) -> dict[str, Any]:
        """The bucket's policy in the Cloud Storage API's format."""
        kind = {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket}"}
        return {**kind, **document(self.access.lab_state.buckets[bucket])}


def document(holder: PolicyHolder) -> dict[str, Any]:
    """A policy in Google's JSON format, with the etag that a write must include."""
    return {**holder.policy, "etag": holder.etag}


def replace(access: Access, holder: PolicyHolder, body: Mapping[str, Any], conflict: ApiError) -> None:
    """Replace a policy. Raises `conflict` for an outdated etag, and ApiError (400) for an invalid policy."""
    if body.get("etag") not in (None, "", holder.etag):
        raise conflict
    require_size(body)
    before = holder.policy
    try:
        access.lab_state.set_policy(holder, body)
        access.lab_state.save()
    except MalformedPolicy as fault:
        raise ApiError(400, "invalid", fault.message) from None
    except OSError:
        holder.policy = before
        holder.revision += 1
        raise


def require_size(body: Mapping[str, Any]) -> None:
    """Raise ApiError (400) if a policy exceeds Google's limits: https://cloud.google.com/iam/quotas#limits"""
    bindings = body.get("bindings")
    found = bindings if isinstance(bindings, list) else ()
    conditional = sum(bool(one.get("condition")) for one in found if isinstance(one, dict))
    if len(members_of(body)) > MAX_PRINCIPALS or conditional > MAX_CONDITIONAL:
        limits = f"{MAX_PRINCIPALS} principals and {MAX_CONDITIONAL} conditional bindings"
        text = f"A policy can have at most {limits}."
        raise ApiError(400, "invalid", text)


def string_list(name: str, body: Mapping[str, Any]) -> list[str]:
    """A list of strings from a field. Raises ApiError (400) for anything else."""
    value = body.get(name) or []
    if (
        not isinstance(value, list)
        or len(value) > MAX_PERMISSIONS
        or not all(isinstance(one, str) for one in value)
    ):
        text = f"Invalid value for {name}: expected a list of at most {MAX_PERMISSIONS} strings."
        raise ApiError(400, "invalid", text)
    return value


def is_public(body: Mapping[str, Any]) -> bool:
    """Whether a policy, which may be malformed, has public members."""
    return any(member in PUBLIC for member in members_of(body))


def members_of(body: Mapping[str, Any]) -> list[str]:
    """All members of a policy's bindings. The policy may be malformed."""
    bindings = body.get("bindings")
    lists = (
        [one.get("members") for one in bindings if isinstance(one, dict)]
        if isinstance(bindings, list)
        else []
    )
    return [member for one in lists if isinstance(one, list) for member in one if isinstance(member, str)]


def granted(access: Access, principal: str, resource: Resource, permissions: Iterable[str]) -> list[str]:
    """Those of the given permissions that the principal has on the resource.

    Raises ApiError (403) for an imported project if a part that is unknown decides about one of them.
    """
    decisions = [access.decision(principal, permission, resource) for permission in permissions]
    if access.lab_state.is_imported(resource):
        for one in decisions:
            if one.verdict is Verdict.UNKNOWN:
                raise access.refusal(principal, one)
    return [one.permission for one in decisions if one.verdict is Verdict.GRANTED]


def require_valid(permissions: Iterable[str], resource: Resource) -> None:
    """Raise ApiError (400) for a permission that does not exist or does not apply to the resource, as Google does."""
    for one in permissions:
        elsewhere = resource.type == resources.ACCOUNT and not one.startswith(ON_ACCOUNTS)
        if elsewhere or one in NOT_ON_PROJECTS or exists(one) is Ternary.FALSE:
            raise ApiError(400, "invalid", f"Permission {one[:200]} is not valid for this resource.")


@dataclass(frozen=True, slots=True)
class PolicyResource:
    """A project or service account, with the policy methods of the services other than Cloud Storage."""

    access: Access
    resource: Resource
    holder: PolicyHolder
    prefix: str  # its permissions' prefix: resourcemanager.projects or iam.serviceAccounts

    def answer(self, principal: str, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Handle getIamPolicy, setIamPolicy and testIamPermissions. Raises ApiError (404) for any other verb."""
        if verb == "testIamPermissions":
            asked = string_list("permissions", body)
            require_valid(asked, self.resource)
            held = granted(self.access, principal, self.resource, asked)
            return {"permissions": held} if held else {}
        if verb not in ("getIamPolicy", "setIamPolicy"):
            raise ApiError(404, "notFound", f"The lab does not support {verb}.")
        self.access.require(principal, f"{self.prefix}.{verb}", self.resource)
        if verb == "setIamPolicy":
            text = (
                "There were concurrent policy changes. Please retry the whole read-modify-write with "
                "exponential backoff."
            )
            if not isinstance(body.get("policy"), dict):
                raise ApiError(400, "required", "Required parameter: policy")
            replace(self.access, self.holder, body["policy"], ApiError(409, "aborted", text))
        return document(self.holder)
