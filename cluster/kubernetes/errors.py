"""Translates errors from the package `kuberay` into errors that `python -m cluster` raises, with their exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kuberay import errors
from raydock.errors import CommandFailed, NotUp, RaydockError, Unreachable, UsageError

TRANSLATIONS: dict[type[RaydockError], type[RaydockError]] = {
    errors.NotConfigured: UsageError,
    errors.ClusterNotFound: NotUp,
    errors.Unusable: NotUp,
    Unreachable: NotUp,
}


@contextmanager
def translate_errors() -> Iterator[None]:
    """Re-raise an error of Kubernetes as the matching error from raydock/errors.py, or else as CommandFailed."""
    try:
        yield
    except (errors.KuberayError, Unreachable) as fault:
        error = TRANSLATIONS.get(type(fault), CommandFailed)
        raise error(fault.message, fault.fix or "The API server's reason is quoted above.") from None
