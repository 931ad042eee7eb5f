"""Google's error responses: the bodies and messages that its clients expect.

Sources: https://cloud.google.com/storage/docs/json_api/v1/status-codes (Cloud Storage) and
https://cloud.google.com/apis/design/errors (the other services).
"""

from __future__ import annotations

import errno
from typing import Any

from aiohttp import web

CHALLENGE = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'

DISK_FULL = "The lab's disk is full. Delete objects, or free disk space on the machine, and try again."


class ApiError(Exception):
    """An error response: the HTTP `status`, Cloud Storage's `reason` and the `message`."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


# The `status` field of the other services' error bodies, by HTTP status: google/rpc/code.proto.
CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    501: "UNIMPLEMENTED",
    507: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def is_full(fault: Exception) -> bool:
    """Whether a write to a file or to SQLite failed because the disk is full or a quota is exceeded."""
    full = getattr(fault, "errno", 0) in (errno.ENOSPC, errno.EDQUOT)
    return full or getattr(fault, "sqlite_errorname", "") == "SQLITE_FULL"


def denied(email: str, permission: str) -> ApiError:
    """Cloud Storage's 403 for a principal that lacks a permission, or its 401 for a caller without a token."""
    noun = "bucket" if permission.startswith("storage.buckets.") or permission.endswith(".list") else "object"
    text = (
        f"{email or 'Anonymous caller'} does not have {permission} access to the Google Cloud Storage {noun}. "
        f"Permission '{permission}' denied on resource (or it may not exist)."
    )
    return ApiError(403, "forbidden", text) if email else ApiError(401, "required", text)


def denied_elsewhere(permission: str, resource: str) -> ApiError:
    """The other services' 403."""
    return ApiError(
        403, "forbidden", f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
    )


def bad_token() -> ApiError:
    """The 401 for an unknown or expired token."""
    return ApiError(401, "authError", "Invalid Credentials")


def no_bucket() -> ApiError:
    """Cloud Storage's 404 for a bucket."""
    return ApiError(404, "notFound", "The specified bucket does not exist.")


def storage_error(refusal: ApiError) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the body of a Cloud Storage error."""
    headers = {"WWW-Authenticate": CHALLENGE} if refusal.status == 401 else {}
    domain = "usageLimits" if refusal.status == 429 else "global"
    inner = {"message": refusal.message, "domain": domain, "reason": refusal.reason}
    if refusal.status == 401:
        inner |= {"locationType": "header", "location": "Authorization"}
    return headers, {"error": {"code": refusal.status, "message": refusal.message, "errors": [inner]}}


def service_error(refusal: ApiError) -> web.Response:
    """The other services' error response."""
    headers = {"WWW-Authenticate": CHALLENGE} if refusal.status == 401 else {}
    status = CODES.get(refusal.status, "UNKNOWN")
    body = {"error": {"code": refusal.status, "message": refusal.message, "status": status}}
    return web.json_response(body, status=refusal.status, headers=headers)
