"""The control plane's errors, with Google's status codes, messages and details.

Codes: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto. Docstrings mark the messages known to
be Google's; the others are the lab's own and not verified against the real service. `details` are messages of
google/rpc/error_details.proto as JSON. Both front ends send them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TYPE = "type.googleapis.com/google.rpc."
DOMAIN = "aiplatform.googleapis.com"
MISSING = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
INVALID = MISSING.replace(
    "is missing required authentication credential", "had invalid authentication credentials"
)


class RpcError(Exception):
    """An error response: the name of its status code, its message, and its details."""

    def __init__(self, code: str, message: str, *details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class NodesFailed(Exception):
    """A cluster's nodes can't be created or do not become ready. The message becomes the cluster's `error`."""


def unauthenticated(token: str) -> RpcError:
    """Google's messages for a call without a token and for one with an invalid or expired token."""
    return RpcError("UNAUTHENTICATED", INVALID if token else MISSING)


def denied(permission: str, resource: str) -> RpcError:
    """Google's message and details. `resource` is a resource name without its service."""
    where = f"//aiplatform.googleapis.com/{resource}"
    text = f"Permission '{permission}' denied on resource '{where}' (or it may not exist)."
    reason = {
        "@type": f"{TYPE}ErrorInfo",
        "reason": "IAM_PERMISSION_DENIED",
        "domain": DOMAIN,
        "metadata": {"permission": permission, "resource": resource},
    }
    return RpcError("PERMISSION_DENIED", text, reason)


def no_acting_as(account: str) -> RpcError:
    """Vertex AI's own message for a missing iam.serviceAccounts.actAs."""
    text = f"You do not have permission to act as service_account: {account}. (or it may not exist)."
    return RpcError("PERMISSION_DENIED", text)


def invalid(problems: Sequence[tuple[str, str]]) -> RpcError:
    """All problems with a request, as (field, message), in Vertex AI's format."""
    found = "".join(f"\t{n}.Field: {field}; Message: {said}" for n, (field, said) in enumerate(problems, 1))
    return RpcError("INVALID_ARGUMENT", f"List of found errors:{found}\t", bad_request(problems))


def bad_request(problems: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The details of an INVALID_ARGUMENT. A problem without a field, such as a malformed body, has none."""
    violations = [
        {"field": field, "description": said} if field else {"description": said} for field, said in problems
    ]
    return {"@type": f"{TYPE}BadRequest", "fieldViolations": violations}


def bad_payload(field: str, text: str) -> RpcError:
    """Google's format for JSON or query parameters that do not fit the request message."""
    said = f"Invalid JSON payload received. {text}"
    return RpcError("INVALID_ARGUMENT", said, bad_request([(field, said)]))


def wrong_location(field: str, region: str) -> RpcError:
    """Vertex AI's message for a location other than the endpoint's: kubeflow/pipelines#6011.

    Vertex AI's predecessor returned it in a list of errors with their fields: googleapis/nodejs-automl#411.
    """
    text = f"The provided location ID doesn't match the endpoint. The valid location ID is `{region}`."
    return invalid([(field, text)])


def internal() -> RpcError:
    """Google's message for an unexpected error. Only the log contains its cause."""
    return RpcError("INTERNAL", "Internal error encountered.")


def quota_exceeded(nodes: int, capacity: int) -> RpcError:
    """The error for more nodes than fit on this machine."""
    text = (
        f"Quota exceeded: the lab's clusters would have {nodes} nodes, but this machine has memory for {capacity} "
        "(1 GiB each). Request fewer replicas, or delete a cluster."
    )
    return RpcError("RESOURCE_EXHAUSTED", text)


def not_found(name: str) -> RpcError:
    """The error for an unknown persistent resource or operation."""
    return RpcError("NOT_FOUND", f"The {noun(name)} {name} does not exist.")


def exists(name: str) -> RpcError:
    """The error for a persistent resource whose name is taken."""
    return RpcError("ALREADY_EXISTS", f"The PersistentResource {name} already exists.")


def wrong_state(name: str, state: str, wanted: str) -> RpcError:
    """The error for a change that the persistent resource's state does not allow."""
    text = f"The PersistentResource {name} can't be {wanted} in state {state}."
    return RpcError("FAILED_PRECONDITION", text)


def noun(name: str) -> str:
    """The kind of resource that a name refers to."""
    return "Operation" if "/operations/" in name else "PersistentResource"
