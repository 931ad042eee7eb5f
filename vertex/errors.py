"""What can go wrong with a cluster on Vertex AI.

    VertexError
    ├── Unset         no project, region or cluster is named, or one that can't be
    ├── Missing       there is no such cluster
    ├── Exists        there is one of that name already
    ├── Unusable      it is there and can't take jobs: its state, its image, its network
    ├── Refused       Google refused the call: the message is Google's
    └── Unreachable   nothing answered: the one class where trying again may help

Every error says what failed and why in one sentence (`message`), and what mends it (`fix`).
"""

from __future__ import annotations

from raydock.errors import RaydockError


class VertexError(RaydockError):
    """The base: `message` is one sentence, `fix` is what to do about it."""


class NotConfigured(VertexError):
    """No project, region or cluster is named, or one that can't be."""


class ClusterNotFound(VertexError):
    """There is no such cluster."""


class Exists(VertexError):
    """There is a cluster of that name already."""


class Unusable(VertexError):
    """The cluster is there and can't take jobs."""


class RequestRejected(VertexError):
    """Google refused the call; the message is Google's."""


def sentence(text: str) -> str:
    """The text in one line that ends as a sentence does."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."
