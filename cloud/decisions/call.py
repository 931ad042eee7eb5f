"""The API call that is being handled: where it came from, and which of its permission checks are already recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

GATEWAY = "gateway"  # the source of calls from this machine, through the gateway


@dataclass(slots=True)
class Call:
    """One call. `principals`: who was authorized, by permission and resource name.

    A handler may check the same permission several times, for example before and after it reads the body.
    """

    source: str  # the client's address, or GATEWAY
    principals: dict[tuple[str, str, bool], str] = field(default_factory=dict)


CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)


def begin(source: str) -> None:
    """Start a call from this address. It lasts until the current task starts another one."""
    CURRENT.set(Call(source))


@contextmanager
def within_batch() -> Iterator[None]:
    """Treat what follows as a call of its own, from the same client."""
    outer = CURRENT.get()
    token = CURRENT.set(Call(outer.source) if outer else None)
    try:
        yield
    finally:
        CURRENT.reset(token)
