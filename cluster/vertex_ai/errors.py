"""Translates errors from the package `vertex` into errors that `python -m cluster` raises, with their exit codes."""

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
    """Re-raise a Vertex AI error as the matching error from cluster/errors.py, or else as CommandFailed."""
    try:
        yield
    except (errors.VertexError, PermissionDenied, Unreachable) as fault:
        error = TRANSLATIONS.get(type(fault), CommandFailed)
        raise error(
            sentence(fault.message), fault.fix or "Nothing was changed. Google's reason is quoted above."
        ) from None
