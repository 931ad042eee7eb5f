"""A Ray cluster on Vertex AI, found through Google's SDK: its state, its dashboard, and who its jobs run as."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raydock.gcp.tokens import Token
from raydock.settings import setting
from vertex.client import Api
from vertex.cluster import COMING, Cluster
from vertex.errors import Missing, Unset, VertexError
from vertex.errors import Unreachable as NoAnswer
from vertex.location import Place, place_of
from vertex.wait import TimeUp, Waiter

from ..errors import ServerError, Unreachable, UsageError
from . import Asked, Connection, Expectation

if TYPE_CHECKING:
    from raydock.gcp.clouds import Google


@dataclass(slots=True)
class Vertex:
    """The cluster that was asked for; `ready` finds it. Its Ray and Python are what its image has."""

    asked: Asked
    api: Callable[[Place], Api] = Api
    token: Token = field(default_factory=Token)
    name: str = "vertex"
    expects: Expectation = Expectation()
    place: Place | None = None
    cluster: Cluster | None = None

    @property
    def flags(self) -> str:
        named = f"--cluster {self.cluster.id} " if self.cluster else ""
        return f"--target vertex {named}{self.place.flags if self.place else ''}"

    @property
    def mend(self) -> str:
        named = self.flags.strip()
        return f"look at the cluster: python -m cluster status {named}"

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Finds the cluster and waits until it runs, for as long as was asked.

        Raises UsageError where none is named, ServerError where it can't take jobs or Google refuses, Unreachable
        where nothing answers.
        """
        try:
            place, name = await asyncio.to_thread(
                place_of, self.asked.project, self.asked.region, self.asked.cluster, setting
            )
            self.place = place
            api = self.api(place)
            if not name:
                name = await asyncio.to_thread(only_one, api)
            await self.wait_for(api, name, tell)
        except VertexError as fault:
            raise submit_error(fault) from None

    async def wait_for(self, api: Api, name: str, tell: Callable[[str], None]) -> None:
        """Looks at the cluster until it runs."""

        def told(state: str, passed: float) -> None:
            if waiter.silent:
                return tell(f"the cluster {name}: {state}")
            created = self.cluster.created if self.cluster else 0
            age = f", asked for {time.time() - created:.0f} s ago" if created else ""
            tell(f"the cluster {name} is {state}{age}; waiting until it runs (Ctrl-C ends only this)")

        waiter = Waiter(self.asked.wait, told)
        try:
            while not (found := await self.look(api, name, waiter)):
                pass
        except TimeUp as late:
            raise Unreachable(
                f"The cluster {name} is still {late.state or 'unanswered'} after {self.asked.wait:g} s.",
                "wait longer: --cluster-wait 1h",
            ) from None
        tell(self.described(found))

    async def look(self, api: Api, name: str, waiter: Waiter) -> Cluster | None:
        """The cluster if it runs, else None after a pause."""
        try:
            found = self.cluster = await asyncio.to_thread(api.get, name)
        except NoAnswer as fault:
            await asyncio.sleep(waiter.unanswered(fault))
            return None
        found.usable()
        if found.state not in COMING:
            return found
        await asyncio.sleep(waiter.saw(found.state))
        return None

    def described(self, found: Cluster) -> str:
        """One line: which cluster, what runs there, who its jobs run as."""
        image = f"Ray {found.ray}, Python {found.python}" if found.ray else "a custom image"
        region = self.place.region if self.place else ""
        return f"cluster {found.id} in {region}: {found.state}, {image}; jobs run as {found.principal}"

    def connect(self) -> Connection:
        """Its dashboard, with the caller's token."""
        if self.cluster is None:
            raise UsageError("The cluster was not looked for yet.", self.mend)
        url = self.cluster.dashboard
        return Connection(
            url if "://" in url else f"https://{url}", self.headers, slow=True, turned_down=self.turned_down
        )

    def headers(self) -> dict[str, str]:
        """A token that is fresh. Raises Unreachable where none can be had: trying again may help."""
        try:
            return {"Authorization": f"Bearer {self.token.value()}"}
        except VertexError as fault:
            raise Unreachable(fault.message, fault.mend) from None

    def turned_down(self, headers: Mapping[str, str]) -> bool:
        self.token.turned_down(headers.get("Authorization", "").removeprefix("Bearer "))
        return True

    def google(self) -> Google:
        """Google Cloud, with the one identity that the cluster's jobs run as."""
        from raydock.gcp.clouds import Google

        return Google(self.cluster.principal if self.cluster else "")


def only_one(api: Api) -> str:
    """The id of the one Ray cluster that the place has. Raises Unset where there is none, or a choice."""
    found = [one for one in api.all() if one.state != "STOPPING"]
    where = f"{api.place.project} in {api.place.region}"
    if not found:
        raise Missing(
            f"There is no Ray cluster in {where}.", f"python -m cluster up --target vertex {api.place.flags}"
        )
    if len(found) > 1:
        raise Unset(
            f"{where} has {len(found)} clusters: {', '.join(one.id for one in found)}.",
            f"add --cluster {found[-1].id}",
        )
    return found[0].id


def submit_error(fault: VertexError) -> UsageError | ServerError | Unreachable:
    """The submitter's error for a fault of Vertex AI's."""
    if isinstance(fault, Unset):
        return UsageError(fault.message, fault.mend)
    kind = Unreachable if isinstance(fault, NoAnswer) else ServerError
    return kind(fault.message, fault.mend)


def create(asked: Asked) -> Vertex:
    """The target for the cluster that was asked for, or for the one that there is."""
    return Vertex(asked)
