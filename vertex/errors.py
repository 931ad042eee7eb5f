"""Errors that concern clusters on Vertex AI.

    VertexError
    ├── NotConfigured     no project, region or cluster is set, or its name is invalid
    ├── ClusterNotFound   the cluster does not exist
    ├── Exists            a cluster with this name already exists
    ├── Unusable          the cluster exists but can't accept jobs because of its state, image or network
    └── RequestRejected   Google rejected the call; the message quotes Google's reason

If there is no response, raydock.errors.Unreachable is raised. It is the only error that a retry may resolve.
Every error explains in one sentence what failed and why (`message`), and how to fix it (`fix`).
"""

from __future__ import annotations

from raydock.errors import RaydockError


class VertexError(RaydockError):
    """The base class: `message` is one sentence, and `fix` is how to fix the problem."""


class NotConfigured(VertexError):
    """No project, region or cluster is set, or its name is invalid."""


class ClusterNotFound(VertexError):
    """The cluster does not exist."""


class Exists(VertexError):
    """A cluster with this name already exists."""


class Unusable(VertexError):
    """The cluster exists but can't accept jobs."""


class RequestRejected(VertexError):
    """Google rejected the call. The message quotes Google's reason."""


def sentence(text: str) -> str:
    """Collapse text to one line that ends with a period."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."
