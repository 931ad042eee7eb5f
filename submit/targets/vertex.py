"""A Ray cluster on Vertex AI, found through Google's SDK: its state, its dashboard, and who its jobs run as."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from raydock.errors import PermissionDenied, RaydockError, ServerError, Unreachable, UsageError
from raydock.gcp.tokens import AccessToken
from raydock.rayapi.connection import Connection, ExpectedVersions
from raydock.settings import setting
from vertex.client import VertexClient
from vertex.cluster import TRANSITIONAL, Cluster
from vertex.dashboard import connection
from vertex.errors import ClusterNotFound, NotConfigured, VertexError
from vertex.location import Location, location_of
from vertex.wait import TimeUp, Waiter

from . import TargetOptions

if TYPE_CHECKING:
    from raydock.gcp.clouds import RealCloud


@dataclass(slots=True)
class VertexTarget:
    """The cluster that was asked for; `ready` finds it. Its Ray and Python are what its image has."""

    asked: TargetOptions
    api: Callable[[Location], VertexClient] = VertexClient
    token: AccessToken = field(default_factory=AccessToken)
    name: str = "vertex"
    expects: ExpectedVersions = ExpectedVersions()
    location: Location | None = None
    cluster: Cluster | None = None

    @property
    def flags(self) -> str:
        named = f"--cluster {self.cluster.id} " if self.cluster else ""
        return f"--target vertex {named}{self.location.flags if self.location else ''}"

    @property
    def fix(self) -> str:
        named = self.flags.strip()
        return f"look at the cluster: python -m cluster status {named}"

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Finds the cluster and waits until it runs, for as long as was asked.

        Raises UsageError where none is named, ServerError where it can't take jobs or Google refuses, Unreachable
        where nothing answers.
        """
        try:
            location, name = await asyncio.to_thread(
                location_of, self.asked.project, self.asked.region, self.asked.cluster, setting
            )
            self.location = location
            api = self.api(location)
            if not name:
                name = await asyncio.to_thread(only_one, api)
            await self.wait_for(api, name, tell)
        except (VertexError, PermissionDenied, Unreachable) as fault:
            raise submit_error(fault) from None

    async def wait_for(self, api: VertexClient, name: str, tell: Callable[[str], None]) -> None:
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

    async def look(self, api: VertexClient, name: str, waiter: Waiter) -> Cluster | None:
        """The cluster if it runs, else None after a pause."""
        try:
            found = self.cluster = await asyncio.to_thread(api.get, name)
        except Unreachable as fault:
            await asyncio.sleep(waiter.unanswered(fault))
            return None
        found.usable()
        if found.state not in TRANSITIONAL:
            return found
        await asyncio.sleep(waiter.saw(found.state))
        return None

    def described(self, found: Cluster) -> str:
        """One line: which cluster, what runs there, who its jobs run as."""
        image = f"Ray {found.ray}, Python {found.python}" if found.ray else "a custom image"
        region = self.location.region if self.location else ""
        return f"cluster {found.id} in {region}: {found.state}, {image}; jobs run as {found.principal}"

    def connect(self) -> Connection:
        """Its dashboard, with the caller's token."""
        if self.cluster is None:
            raise UsageError("The cluster was not looked for yet.", self.fix)
        return replace(connection(self.cluster, self.token), headers=self.headers)

    def headers(self) -> dict[str, str]:
        """A token that is fresh. Raises Unreachable where none can be had: trying again may help."""
        try:
            return {"Authorization": f"Bearer {self.token.value()}"}
        except (VertexError, PermissionDenied, Unreachable) as fault:
            raise Unreachable(fault.message, fault.fix) from None

    def google(self) -> RealCloud:
        """Google Cloud, with the one identity that the cluster's jobs run as."""
        from raydock.gcp.clouds import RealCloud

        return RealCloud(self.cluster.principal if self.cluster else "")


def only_one(api: VertexClient) -> str:
    """The id of the one Ray cluster that the place has. Raises Unset where there is none, or a choice."""
    found = [one for one in api.all() if one.state != "STOPPING"]
    where = f"{api.location.project} in {api.location.region}"
    if not found:
        raise ClusterNotFound(
            f"There is no Ray cluster in {where}.",
            f"python -m cluster up --target vertex {api.location.flags}",
        )
    if len(found) > 1:
        raise NotConfigured(
            f"{where} has {len(found)} clusters: {', '.join(one.id for one in found)}.",
            f"add --cluster {found[-1].id}",
        )
    return found[0].id


def submit_error(fault: RaydockError) -> UsageError | ServerError | Unreachable:
    """The submitter's error for a fault of Vertex AI's."""
    if isinstance(fault, NotConfigured):
        return UsageError(fault.message, fault.fix)
    kind = Unreachable if isinstance(fault, Unreachable) else ServerError
    return kind(fault.message, fault.fix)


def create(asked: TargetOptions) -> VertexTarget:
    """The target for the cluster that was asked for, or for the one that there is."""
    return VertexTarget(asked)
