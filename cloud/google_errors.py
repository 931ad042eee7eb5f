"""Google's own answers: error bodies and texts as its clients know them.

Sources: https://cloud.google.com/storage/docs/json_api/v1/status-codes (storage's body) and
https://cloud.google.com/apis/design/errors (the other services' body).
"""

from __future__ import annotations

import errno
from typing import Any

from aiohttp import web

CHALLENGE = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'

FULL = "The lab's disk is full. Delete objects, or free disk space on the machine, and try again."


class ApiError(Exception):
    """An answer that is an error: `status`, Google's `reason` for storage, and its sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


# Status of the body of the services other than storage, by HTTP status: google/rpc/code.proto.
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
    """Whether a file, or SQLite, could not be written because the disk or a quota is full."""
    full = getattr(fault, "errno", 0) in (errno.ENOSPC, errno.EDQUOT)
    return full or getattr(fault, "sqlite_errorname", "") == "SQLITE_FULL"


def denied(email: str, permission: str) -> ApiError:
    """Storage's 403 for a principal without the permission; 401 for one without a token."""
    noun = "bucket" if permission.startswith("storage.buckets.") or permission.endswith(".list") else "object"
    text = (
        f"{email or 'Anonymous caller'} does not have {permission} access to the Google Cloud Storage {noun}. "
        f"Permission '{permission}' denied on resource (or it may not exist)."
    )
    return ApiError(403, "forbidden", text) if email else ApiError(401, "required", text)


def denied_elsewhere(permission: str, resource: str) -> ApiError:
    """The 403 of the services other than storage."""
    return ApiError(
        403, "forbidden", f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
    )


def bad_token() -> ApiError:
    """The 401 for a token that is unknown or has expired."""
    return ApiError(401, "authError", "Invalid Credentials")


def no_bucket() -> ApiError:
    return ApiError(404, "notFound", "The specified bucket does not exist.")


def storage_error(refusal: ApiError) -> tuple[dict[str, str], dict[str, Any]]:
    """Headers and body of storage's errors."""
    headers = {"WWW-Authenticate": CHALLENGE} if refusal.status == 401 else {}
    inner = {"message": refusal.message, "domain": "global", "reason": refusal.reason}
    if refusal.status == 401:
        inner |= {"locationType": "header", "location": "Authorization"}
    return headers, {"error": {"code": refusal.status, "message": refusal.message, "errors": [inner]}}


def service_error(refusal: ApiError) -> web.Response:
    """The body of the other services."""
    headers = {"WWW-Authenticate": CHALLENGE} if refusal.status == 401 else {}
    status = CODES.get(refusal.status, "UNKNOWN")
    body = {"error": {"code": refusal.status, "message": refusal.message, "status": status}}
    return web.json_response(body, status=refusal.status, headers=headers)
