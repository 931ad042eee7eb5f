"""Faults of Vertex AI's as the errors of `python -m cluster`, with its exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.errors import OtherKind
from raydock.errors import CommandFailed, NotUp, PermissionDenied, RaydockError, Unreachable, UsageError
from vertex import errors
from vertex.errors import sentence

KINDS: dict[type[RaydockError], type[RaydockError]] = {
    errors.NotConfigured: UsageError,
    errors.ClusterNotFound: NotUp,
    Unreachable: NotUp,
    errors.Unusable: NotUp,
    errors.Exists: OtherKind,
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
