"""Where a job can be sent. Adding a target is one module here and one line in `REGISTRY`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from iam.places import Place

REGISTRY = {
    "local": "submit.targets.local",
    "address": "submit.targets.address",
}


@dataclass(frozen=True, slots=True)
class Connection:
    """How the Job API is reached: its base URL, and headers made fresh for each request."""

    base_url: str
    headers: Callable[[], Mapping[str, str]] = dict
    through_proxy: bool = True  # whether the environment's HTTP proxies may be used


@dataclass(frozen=True, slots=True)
class Expectation:
    """The Ray and the Python that must run there; empty where anything goes."""

    ray: str = ""
    python: str = ""


class Target(Protocol):
    """What differs between the places a job can be sent to; everything else is shared."""

    name: str
    flags: str  # what a command line needs to reach the same place again
    mend: str  # what to do when it does not answer
    expects: Expectation

    def connect(self) -> Connection:
        """Raises UsageError where the target's settings can't be used."""
        ...

    def google(self) -> Place | None:
        """The Google Cloud that its jobs see, which also says who they run as; None where it isn't known."""
        ...


def open_target(name: str, address: str | None) -> Target:
    """The target of that name; an address alone means that dashboard."""
    module = importlib.import_module(REGISTRY["address" if address else name])
    return cast(Target, module.create(address))
