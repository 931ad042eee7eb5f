"""The control plane's errors, with Google's status codes and texts.

Codes: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto. Docstrings mark the texts known to be
Google's; the others are ours and not verified against the real service.
"""

from __future__ import annotations

from collections.abc import Sequence

MISSING = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
INVALID = MISSING.replace(
    "is missing required authentication credential", "had invalid authentication credentials"
)


class RpcError(Exception):
    """An error response: the name of its status code, and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NodesFailed(Exception):
    """A cluster's nodes can't be created or do not become ready. The message becomes the cluster's `error`."""


def unauthenticated(token: str) -> RpcError:
    """Google's texts for a call without a token and for one with an invalid or expired token."""
    return RpcError("UNAUTHENTICATED", INVALID if token else MISSING)


def denied(permission: str, resource: str) -> RpcError:
    """Google's text; `resource` is a resource name without its service."""
    where = f"//aiplatform.googleapis.com/{resource}"
    return RpcError(
        "PERMISSION_DENIED", f"Permission '{permission}' denied on resource '{where}' (or it may not exist)."
    )


def no_acting_as(account: str) -> RpcError:
    """Vertex AI's own text for a missing iam.serviceAccounts.actAs."""
    text = f"You do not have permission to act as service_account: {account}. (or it may not exist)."
    return RpcError("PERMISSION_DENIED", text)


def invalid(problems: Sequence[tuple[str, str]]) -> RpcError:
    """All problems of a request, as (field, message), in Vertex AI's format."""
    found = "".join(f"\t{n}.Field: {field}; Message: {said}" for n, (field, said) in enumerate(problems, 1))
    return RpcError("INVALID_ARGUMENT", f"List of found errors:{found}\t")


def quota_exceeded(nodes: int, capacity: int) -> RpcError:
    """More nodes than this machine can hold."""
    text = (
        f"Quota exceeded: the lab's clusters would have {nodes} nodes, but this machine's memory fits {capacity} "
        "(1 GiB each). Request fewer replicas, or delete a cluster."
    )
    return RpcError("RESOURCE_EXHAUSTED", text)


def not_found(name: str) -> RpcError:
    """An unknown persistent resource or operation."""
    return RpcError("NOT_FOUND", f"The {noun(name)} {name} does not exist.")


def exists(name: str) -> RpcError:
    """A persistent resource whose name is taken."""
    return RpcError("ALREADY_EXISTS", f"The PersistentResource {name} already exists.")


def wrong_state(name: str, state: str, wanted: str) -> RpcError:
    """A change that the persistent resource's state does not allow."""
    text = f"The PersistentResource {name} can't be {wanted} in state {state}."
    return RpcError("FAILED_PRECONDITION", text)


def noun(name: str) -> str:
    """The kind of resource that a name denotes."""
    return "Operation" if "/operations/" in name else "PersistentResource"
