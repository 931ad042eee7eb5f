"""Translates errors of the package `vertex` into those of `python -m cluster`, with their exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.errors import OtherRuntime
from raydock.errors import CommandFailed, NotUp, PermissionDenied, RaydockError, Unreachable, UsageError
from vertex import errors
from vertex.errors import sentence

TRANSLATIONS: dict[type[RaydockError], type[RaydockError]] = {
    errors.NotConfigured: UsageError,
    errors.ClusterNotFound: NotUp,
    Unreachable: NotUp,
    errors.Unusable: NotUp,
    errors.Exists: OtherRuntime,
}


@contextmanager
def translate_errors() -> Iterator[None]:
    """Re-raise an error of Vertex AI as the matching error of `python -m cluster`, CommandFailed by default."""
    try:
        yield
    except (errors.VertexError, PermissionDenied, Unreachable) as fault:
        error = TRANSLATIONS.get(type(fault), CommandFailed)
        raise error(
            sentence(fault.message), fault.fix or "Nothing was changed; see Google's reason above."
        ) from None
