"""Errors of Ray clusters on Kubernetes.

    KuberayError
    ├── NotConfigured        no kubeconfig, context or cluster is set, or it is invalid
    ├── CredentialsRejected  the API server does not accept the credentials of the context
    ├── AccessDenied         the caller lacks a verb; `fix` is the role that grants it
    ├── ClusterNotFound      the cluster, or its namespace, does not exist
    ├── Unusable             the cluster exists but accepts no jobs
    ├── Conflict             another client owns fields that the request would change
    └── RequestRejected      the API server rejected the request; the message is the server's

If nothing answers, raydock.errors.Unreachable is raised: the only error for which a retry may help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raydock.errors import RaydockError


class KuberayError(RaydockError):
    """Base class: `message` is one sentence, `fix` says what to do about it."""


class NotConfigured(KuberayError):
    """No kubeconfig, context or cluster is set, or it is invalid."""


class CredentialsRejected(KuberayError):
    """The API server does not accept the credentials of the context."""


class AccessDenied(KuberayError):
    """The caller lacks a verb."""


class ClusterNotFound(KuberayError):
    """The cluster, or its namespace, does not exist."""


class Unusable(KuberayError):
    """The cluster exists but accepts no jobs."""


class Conflict(KuberayError):
    """Other clients own fields that the request would change. `fields` are their paths, by the client's name."""

    def __init__(
        self, message: str, fix: str = "", fields: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(message, fix)
        self.fields = dict(fields or {})


class RequestRejected(KuberayError):
    """The API server rejected the request."""
