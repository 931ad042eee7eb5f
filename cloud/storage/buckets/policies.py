"""A bucket's IAM policy (get, set and test), and the ACL methods, which are refused."""

from __future__ import annotations

from cloud.google_errors import ApiError
from cloud.identity.policies import BucketPolicies, string_list
from cloud.storage.request import StorageRequest, StorageResponse
from cloud.storage.service import Service


async def get_policy(service: Service, call: StorageRequest) -> StorageResponse:
    """Get a bucket's IAM policy."""
    bucket = service.bucket(call.names["bucket"]).name
    call.number("optionsRequestedPolicyVersion")
    return StorageResponse(body=BucketPolicies(service.access).get(call.principal, bucket))


async def set_policy(service: Service, call: StorageRequest) -> StorageResponse:
    """Replace a bucket's IAM policy."""
    bucket = service.bucket(call.names["bucket"]).name
    service.access.require_bucket(call.principal, "storage.buckets.setIamPolicy", bucket)
    body = await call.json()
    service.bucket(bucket)
    return StorageResponse(body=BucketPolicies(service.access).set(call.principal, bucket, body))


async def test_permissions(service: Service, call: StorageRequest) -> StorageResponse:
    """Return those of the given permissions that the caller has on a bucket."""
    bucket = service.bucket(call.names["bucket"]).name
    permissions = string_list("permissions", {"permissions": list(call.repeated.get("permissions", ()))})
    return StorageResponse(body=BucketPolicies(service.access).test(call.principal, bucket, permissions))


async def no_acls(service: Service, call: StorageRequest) -> StorageResponse:
    """Refuse ACL methods, as Google does for a bucket with uniform access."""
    service.bucket(call.names["bucket"])
    verb = "get" if call.method == "GET" else "update"
    raise ApiError(
        400,
        "invalid",
        f"Cannot {verb} legacy ACL for a bucket that has uniform bucket-level access. Read more at "
        "https://cloud.google.com/storage/docs/uniform-bucket-level-access",
    )
