"""A Ray cluster on Kubernetes: found in the kubeconfig's context, reached through the API server's service proxy."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kuberay import kubeconfig, lab, lookup
from kuberay.client import KubeClient
from kuberay.cluster import RayCluster
from kuberay.errors import AccessDenied, KuberayError, NotConfigured
from kuberay.identity import identities
from kuberay.kubeconfig import KubeContext
from kuberay.reasons import grant_to_read, why_not_ready
from raydock.errors import ServerError, Unreachable, UsageError
from raydock.gcp.clouds import GoogleCloud, JobIdentity, LabCloud, RealCloud
from raydock.rayapi.cluster_info import NodeResources
from raydock.rayapi.connection import Connection, ExpectedVersions
from raydock.waiting import Waiter, WaitTimeout, still

from ..errors import PreflightError
from . import TargetOptions

MOST_ADDABLE = 10_000  # per worker group: maxReplicas is 2^31 - 1 if it is not set


@dataclass(slots=True)
class KuberayTarget:
    """The requested RayCluster, which `ready` looks up."""

    options: TargetOptions
    name: str = "kuberay"
    expects: ExpectedVersions = ExpectedVersions()
    context: KubeContext | None = None
    cluster: RayCluster | None = None
    meanwhile: str = "Ctrl-C stops only the waiting"

    @property
    def flags(self) -> str:
        named = {
            "context": self.context.name if self.context else self.options.context,
            "namespace": self.context.namespace if self.context else self.options.namespace,
            "cluster": self.cluster.name if self.cluster else self.options.cluster,
        }
        return "--target kuberay " + "".join(
            f"--{name} {shlex.quote(value)} " for name, value in named.items() if value
        )

    @property
    def fix(self) -> str:
        flags = self.context.flags if self.context else ""
        named = f" {self.cluster.name}" if self.cluster else "s"
        return f"check the cluster: kubectl {flags} describe raycluster{named}"

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Look up the cluster, check the caller's access, and wait until it is ready, for `options.wait` seconds.

        Raises UsageError if no cluster can be chosen, ServerError if it accepts no jobs or the API server denies
        something, and Unreachable if nothing answers.
        """
        try:
            context = await asyncio.to_thread(kubeconfig.load, self.options.context, self.options.namespace)
            self.context = context
            with KubeClient(context) as client:
                options = self.options
                self.cluster = await asyncio.to_thread(lookup.find, client, options.cluster, options.methods)
                await self.wait_until_ready(client, tell)
        except KuberayError as fault:
            raise submit_error(fault) from None
        tell(described(context, self.cluster))

    async def wait_until_ready(self, client: KubeClient, tell: Callable[[str], None]) -> None:
        """Poll the cluster until it is ready, reporting why it is not."""
        assert self.cluster is not None
        name = self.cluster.name

        def report(state: str, elapsed: float) -> None:
            tell(f"cluster {name} is {state}; waiting until it is ready ({self.meanwhile})")

        waiter = Waiter(self.options.wait, report, answered=True)
        try:
            while not self.cluster.ready:
                self.cluster.raise_if_suspended(client.context.flags)
                self.cluster = await self.poll(client, self.cluster, waiter)
        except WaitTimeout as late:
            fix = f"kubectl {client.context.flags} describe raycluster {name}, or wait longer: --cluster-wait 1h"
            granted = grant_to_read(client.context, late.state)
            raise Unreachable(
                f"{still(f'Cluster {name}', late.state, self.options.wait)}.",
                f"{fix}\n{granted}" if granted else fix,
            ) from None

    async def poll(self, client: KubeClient, cluster: RayCluster, waiter: Waiter) -> RayCluster:
        """Ask why the cluster is not ready, pause, and read it again; unchanged if the API server does not answer."""
        try:
            why = await asyncio.to_thread(why_not_ready, client, cluster)
            state = f"{cluster.described_state} ({why})" if why else cluster.described_state
            await asyncio.sleep(waiter.record_state(state))
            return await asyncio.to_thread(lookup.read, client, cluster.name)
        except Unreachable as fault:
            await asyncio.sleep(waiter.record_unanswered(fault))
            return cluster

    def connect(self) -> Connection:
        """The dashboard behind the API server's proxy, with the caller's credentials for that server."""
        if self.cluster is None or self.context is None:
            raise UsageError("The cluster has not been looked up yet.", self.fix)
        try:
            found = lookup.dashboard(self.context, self.cluster)
        except NotConfigured as fault:
            raise submit_error(fault) from None
        return replace(found, transient=self.cluster.owner.startswith("rayjob/"))

    def addable(self) -> tuple[NodeResources, ...]:
        """The pods by which the autoscaler may enlarge each worker group."""
        groups = self.cluster.groups if self.cluster else ()
        return tuple(
            NodeResources(group.name, False, group.resources)
            for group in groups
            for _ in range(min(group.most - group.replicas, MOST_ADDABLE))
        )

    def google(self) -> GoogleCloud:
        """Google Cloud as seen by the Kubernetes service accounts of all pods: the lab's, in the lab's Kubernetes."""
        if self.context and (found := lab.cloud_of(self.context)):
            return LabPodCloud(found.gateway, found.headers, read=self.identities)
        return PodCloud(read=self.identities)

    def identities(self) -> tuple[JobIdentity, ...]:
        """The identity of each Kubernetes service account that the cluster's pods use."""
        assert self.context is not None
        assert self.cluster is not None
        with KubeClient(self.context) as client:
            return identities(client, self.cluster)


@dataclass(frozen=True, slots=True)
class PodCloud(RealCloud):
    """Google Cloud, as seen by pods. `read` returns their identities and blocks."""

    read: Callable[[], Sequence[JobIdentity]] = tuple

    async def identities(self, client: Any) -> Sequence[JobIdentity]:
        """The identities of the pods, the head's first. Raises ServerError or Unreachable."""
        return await translated(self.read)


@dataclass(frozen=True, slots=True)
class LabPodCloud(LabCloud):
    """The lab's Google Cloud, as seen by pods in the lab's Kubernetes. `read` is as in PodCloud."""

    read: Callable[[], Sequence[JobIdentity]] = tuple

    async def identities(self, client: Any) -> Sequence[JobIdentity]:
        """The identities of the pods, the head's first. Raises ServerError or Unreachable."""
        return await translated(self.read)


async def translated(read: Callable[[], Sequence[JobIdentity]]) -> Sequence[JobIdentity]:
    """What `read` returns, which blocks, with the submitter's errors."""
    try:
        return await asyncio.to_thread(read)
    except KuberayError as fault:
        raise submit_error(fault) from None


def described(context: KubeContext, cluster: RayCluster) -> str:
    """One line: the cluster, its version, and the Kubernetes service accounts of its pods."""
    version = f", Ray {cluster.ray}" if cluster.ray else ""
    accounts = ", ".join(f"{name} ({', '.join(groups)})" for name, groups in cluster.accounts().items())
    return (
        f"cluster {cluster.name} in namespace {cluster.namespace} of context {context.name}: "
        f"{cluster.described_state}{version}; jobs run as the Kubernetes service accounts {accounts}"
    )


def submit_error(fault: KuberayError) -> UsageError | PreflightError | ServerError:
    """Translate an error of Kubernetes to one of the submitter. A missing verb is a check that did not pass."""
    if isinstance(fault, NotConfigured):
        return UsageError(fault.message, fault.fix)
    kind = PreflightError if isinstance(fault, AccessDenied) else ServerError
    return kind(fault.message, fault.fix)


def create(options: TargetOptions) -> KuberayTarget:
    """The target for the requested cluster, or for the only one."""
    return KuberayTarget(options)
