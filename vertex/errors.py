"""Errors of clusters on Vertex AI.

    VertexError
    ├── NotConfigured     no project, region or cluster is set, or its name is invalid
    ├── ClusterNotFound   the cluster does not exist
    ├── Exists            a cluster of that name already exists
    ├── Unusable          the cluster exists but can't accept jobs because of its state, image or network
    └── RequestRejected   Google rejected the call; the message is Google's

If nothing answers, raydock.errors.Unreachable is raised: the only error for which a retry may help.
Every error says what failed and why in one sentence (`message`), and how to fix it (`fix`).
"""

from __future__ import annotations

from raydock.errors import RaydockError


class VertexError(RaydockError):
    """Base class: `message` is one sentence, `fix` says what to do about it."""


class NotConfigured(VertexError):
    """No project, region or cluster is set, or its name is invalid."""


class ClusterNotFound(VertexError):
    """The cluster does not exist."""


class Exists(VertexError):
    """A cluster of that name already exists."""


class Unusable(VertexError):
    """The cluster exists but can't accept jobs."""


class RequestRejected(VertexError):
    """Google rejected the call; the message is Google's."""


def sentence(text: str) -> str:
    """Collapse a text to one line that ends with a full stop."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."
