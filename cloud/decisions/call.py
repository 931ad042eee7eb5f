"""The API call that is being handled: where it came from, and which of its permission checks are already recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

GATEWAY = "gateway"  # the source of calls from this machine, through the gateway
CLIENTS = ("gcloud-python",)  # the client libraries that are told apart, as their User-Agent begins


@dataclass(slots=True)
class Call:
    """One call. `principals`: who was authorized, by permission, resource name and outcome.

    A handler may check the same permission several times, for example before and after it reads the body.
    """

    source: str  # the client's address, or GATEWAY
    client: str = ""  # one of CLIENTS, "" for any other
    principals: dict[tuple[str, str, bool], str] = field(default_factory=dict)


CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)


def begin(source: str, user_agent: str = "") -> None:
    """Start a call from this address. It lasts until the current task starts another one."""
    client = user_agent.partition("/")[0]
    CURRENT.set(Call(source, client if client in CLIENTS else ""))


@contextmanager
def within_batch() -> Iterator[None]:
    """Treat what follows as a call of its own, from the same client."""
    outer = CURRENT.get()
    token = CURRENT.set(Call(outer.source, outer.client) if outer else None)
    try:
        yield
    finally:
        CURRENT.reset(token)
