"""How a Ray cluster is reached, and what differs between the places that a job can be sent to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from raydock.gcp.clouds import GoogleCloud


@dataclass(frozen=True, slots=True)
class Connection:
    """How the Job API is reached: its base URL, and headers made fresh for each request.

    `slow` headers may fetch a token first, so they are made in a thread; they raise a RaydockError where they can't
    be made. `turned_down` hears of headers that the server answered 401, and says whether new ones are worth a try.
    """

    base_url: str
    headers: Callable[[], Mapping[str, str]] = dict
    through_proxy: bool = True  # whether the environment's HTTP proxies may be used
    slow: bool = False
    turned_down: Callable[[Mapping[str, str]], bool] = lambda headers: False


@dataclass(frozen=True, slots=True)
class ExpectedVersions:
    """The Ray and the Python that must run there; empty where anything goes."""

    ray: str = ""
    python: str = ""


class Target(Protocol):
    """What differs between the places a job can be sent to; everything else is shared."""

    @property
    def name(self) -> str:
        """What `--target` calls it."""
        ...

    @property
    def flags(self) -> str:
        """What a command line needs to reach the same place again."""
        ...

    @property
    def fix(self) -> str:
        """What to do when it does not answer."""
        ...

    @property
    def expects(self) -> ExpectedVersions:
        """The versions that must run there."""
        ...

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Finds the place, and waits until it takes jobs; `tell` hears of it. Raises a RaydockError."""
        ...

    def connect(self) -> Connection:
        """Raises UsageError where the target's settings can't be used."""
        ...

    def google(self) -> GoogleCloud | None:
        """The Google Cloud that its jobs see, which also says who they run as; None where it isn't known."""
        ...
