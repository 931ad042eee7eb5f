"""Faults of Vertex AI's as the errors of `python -m cluster`, with its exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.errors import CommandFailed, NotUp, OtherRuntime
from raydock.errors import PermissionDenied, RaydockError, Unreachable, UsageError
from vertex import errors

KINDS: dict[type[RaydockError], type[RaydockError]] = {
    errors.NotConfigured: UsageError,
    errors.ClusterNotFound: NotUp,
    Unreachable: NotUp,
    errors.Unusable: NotUp,
    errors.Exists: OtherRuntime,
}


@contextmanager
def told() -> Iterator[None]:
    """Raises an error of `python -m cluster` for one of Vertex AI's."""
    try:
        yield
    except (errors.VertexError, PermissionDenied, Unreachable) as fault:
        kind = KINDS.get(type(fault), CommandFailed)
        raise kind(
            sentence(fault.message), fault.fix or "Nothing was changed; see Google's reason above."
        ) from None


def sentence(text: str) -> str:
    """The text in one line that ends as a sentence does."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."
