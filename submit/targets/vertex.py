"""A Ray cluster on Vertex AI, looked up through Google's SDK: its state, its dashboard, and who its jobs run as."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from raydock import versions
from raydock.errors import NotFound, PermissionDenied, RaydockError, ServerError, Unreachable, UsageError
from raydock.gcp.lab_environment import enter_if_meant
from raydock.gcp.tokens import AccessToken
from raydock.rayapi.cluster_info import NodeResources
from raydock.rayapi.connection import Connection, ExpectedVersions
from raydock.settings import setting
from raydock.units import span
from raydock.waiting import Waiter, WaitTimeout, still
from vertex.client import VertexClient
from vertex.cluster import TRANSITIONAL, Cluster
from vertex.dashboard import connection
from vertex.errors import ClusterNotFound, NotConfigured, VertexError
from vertex.location import Location, resolve_location

from . import TargetOptions

if TYPE_CHECKING:
    from raydock.gcp.clouds import RealCloud


@dataclass(slots=True)
class VertexTarget:
    """The requested cluster, which `ready` looks up. Its Ray and Python versions are those of its image."""

    options: TargetOptions
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
        return f"check the cluster: python -m cluster status {named}"

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Look up the cluster and wait up to `options.wait` seconds until it is running.

        Raises UsageError if no cluster can be chosen, ServerError if it accepts no jobs or Google rejects the call,
        and Unreachable if nothing answers.
        """
        try:
            await asyncio.to_thread(self.enter_lab, tell)
            location, name = await asyncio.to_thread(
                resolve_location, self.options.project, self.options.region, self.options.cluster, setting
            )
            self.location = location
            api = self.api(location)
            if not name:
                name = await asyncio.to_thread(find_only_cluster, api)
            await self.wait_for(api, name, tell)
        except (VertexError, PermissionDenied, NotFound, Unreachable) as fault:
            raise submit_error(fault) from None

    def enter_lab(self, tell: Callable[[str], None]) -> None:
        """Use the lab's Vertex AI if it is meant, and say so."""
        asked = self.options
        if found := enter_if_meant(asked.lab, asked.project, asked.cluster, os.environ):
            tell(found.line)

    async def wait_for(self, api: VertexClient, name: str, tell: Callable[[str], None]) -> None:
        """Poll the cluster until it is running."""

        def report(state: str, elapsed: float) -> None:
            if waiter.unanswered_polls:
                return tell(f"cluster {name}: {state}")
            created = self.cluster.created if self.cluster else 0
            age = f", requested {span(time.time() - created)} ago" if created else ""
            tell(f"cluster {name} is {state}{age}; waiting until it is running (Ctrl-C only stops waiting)")

        waiter = Waiter(self.options.wait, report)
        try:
            while not (found := await self.poll(api, name, waiter)):
                pass
        except WaitTimeout as late:
            raise Unreachable(
                f"{still(f'Cluster {name}', late.state, self.options.wait)}.",
                "wait longer: --cluster-wait 1h",
            ) from None
        tell(self.described(found))
        if warning := versions.support_warning(found.ray):
            tell(warning)

    async def poll(self, api: VertexClient, name: str, waiter: Waiter) -> Cluster | None:
        """Poll once. Returns the cluster if it is running, or None after a pause."""
        try:
            found = self.cluster = await asyncio.to_thread(api.get, name)
        except Unreachable as fault:
            await asyncio.sleep(waiter.record_unanswered(fault))
            return None
        found.raise_if_unusable()
        if found.state not in TRANSITIONAL:
            return found
        await asyncio.sleep(waiter.record_state(found.state))
        return None

    def described(self, found: Cluster) -> str:
        """One line: the cluster, its versions, and the principal that its jobs run as."""
        image = f"Ray {found.ray}, Python {found.python}" if found.ray else "a custom image"
        region = self.location.region if self.location else ""
        return f"cluster {found.id} in {region}: {found.state}, {image}; jobs run as {found.principal}"

    def connect(self) -> Connection:
        """The cluster's dashboard, with the caller's token."""
        if self.cluster is None:
            raise UsageError("The cluster has not been looked up yet.", self.fix)
        return replace(connection(self.cluster, self.token), headers=self.headers)

    def headers(self) -> dict[str, str]:
        """Headers with a valid token. Raises Unreachable if there is none, because a retry may help."""
        try:
            return {"Authorization": f"Bearer {self.token.value()}"}
        except (VertexError, PermissionDenied, Unreachable) as fault:
            raise Unreachable(fault.message, fault.fix) from None

    def addable(self) -> tuple[NodeResources, ...]:
        """None: Vertex AI does not report what its autoscaler would add."""
        return ()

    def google(self) -> RealCloud:
        """Google Cloud as seen by the one identity that the cluster's jobs run as."""
        from raydock.gcp.clouds import RealCloud

        return RealCloud(self.cluster.principal if self.cluster else "")


def find_only_cluster(api: VertexClient) -> str:
    """The id of the only Ray cluster in the location.

    Raises ClusterNotFound if there is none, and NotConfigured if there are several.
    """
    found = [one for one in api.list_clusters() if one.state != "STOPPING"]
    where = f"{api.location.project}, {api.location.region}"
    if not found:
        raise ClusterNotFound(
            f"There are no Ray clusters in {where}.",
            f"create one: python -m cluster up --target vertex {api.location.flags}".rstrip(),
        )
    if len(found) > 1:
        raise NotConfigured(
            f"There are {len(found)} Ray clusters in {where}: {', '.join(one.id for one in found)}.",
            f"add --cluster {found[-1].id}",
        )
    return found[0].id


def submit_error(fault: RaydockError) -> UsageError | ServerError | Unreachable:
    """Translate a Vertex AI error into a submitter error."""
    if isinstance(fault, NotConfigured):
        return UsageError(fault.message, fault.fix)
    kind = Unreachable if isinstance(fault, (NotFound, Unreachable)) else ServerError
    return kind(fault.message, fault.fix)


def create(options: TargetOptions) -> VertexTarget:
    """The target for the requested cluster, or for the only one."""
    return VertexTarget(options)
