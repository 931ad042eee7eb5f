"""Refusals of the control plane, with Google's status codes and texts.

Codes: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto. Texts that Google's service is
known to say are marked; the others are ours and not tested against the real service.
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
    """An answer that is an error: the name of its status code, and its sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NodesFailed(Exception):
    """The nodes of a cluster can't be made, or do not become ready. The message goes into the cluster's `error`."""


def unauthenticated(token: str) -> RpcError:
    """Google's texts for a call without a token, and with one that is none or has expired."""
    return RpcError("UNAUTHENTICATED", INVALID if token else MISSING)


def denied(permission: str, resource: str) -> RpcError:
    """Google's text; `resource` is a name without its service."""
    where = f"//aiplatform.googleapis.com/{resource}"
    return RpcError(
        "PERMISSION_DENIED", f"Permission '{permission}' denied on resource '{where}' (or it may not exist)."
    )


def no_acting_as(account: str) -> RpcError:
    """Vertex AI's own text for a missing iam.serviceAccounts.actAs."""
    text = f"You do not have permission to act as service_account: {account}. (or it may not exist)."
    return RpcError("PERMISSION_DENIED", text)


def invalid(problems: Sequence[tuple[str, str]]) -> RpcError:
    """All that is wrong with a request, each with its field, in the form that Vertex AI has."""
    found = "".join(f"\t{n}.Field: {field}; Message: {said}" for n, (field, said) in enumerate(problems, 1))
    return RpcError("INVALID_ARGUMENT", f"List of found errors:{found}\t")


def no_room(nodes: int, room: int) -> RpcError:
    text = (
        f"Quota exceeded: the lab's clusters would have {nodes} nodes, and this machine's memory holds {room} "
        "(1 GiB each). Ask for fewer replicas, or delete a cluster."
    )
    return RpcError("RESOURCE_EXHAUSTED", text)


def not_found(name: str) -> RpcError:
    return RpcError("NOT_FOUND", f"The {noun(name)} {name} does not exist.")


def exists(name: str) -> RpcError:
    return RpcError("ALREADY_EXISTS", f"The PersistentResource {name} already exists.")


def not_now(name: str, state: str, wanted: str) -> RpcError:
    text = f"The PersistentResource {name} is in state {state}; it can't be {wanted}."
    return RpcError("FAILED_PRECONDITION", text)


def noun(name: str) -> str:
    return "Operation" if "/operations/" in name else "PersistentResource"
