"""A RayCluster for one job: created before it, and deleted after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kuberay import ephemeral, kubeconfig
from kuberay.client import KubeClient
from kuberay.errors import KuberayError
from kuberay.kubeconfig import KubeContext
from raydock.answers import mapping
from raydock.errors import Unreachable, UsageError
from raydock.units import span
from raydock.waiting import Waiter, WaitTimeout

from . import TargetOptions
from .kuberay import KuberayTarget, submit_error


@dataclass(slots=True)
class EphemeralTarget(KuberayTarget):
    """The cluster of a new RayJob, which `ready` creates."""

    job: Mapping[str, Any] = field(default_factory=dict)
    created: bool = False  # or perhaps: the request was sent
    abandoned: bool = False
    meanwhile: str = "Ctrl-C deletes it"
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def job_name(self) -> str:
        """The RayJob's name."""
        return str(self.job["metadata"]["name"])

    @property
    def kept(self) -> str:
        """What happens to the cluster while its job may be running."""
        longest = span(self.job["spec"]["activeDeadlineSeconds"])
        return (
            f"KubeRay deletes the cluster of RayJob {self.job_name} {span(ephemeral.ATTACHABLE)} after the job's end, "
            f"and {longest} after its start at the latest"
        )

    async def ready(self, tell: Callable[[str], None]) -> None:
        """Create the RayJob, and wait until its cluster is ready. Raises like KuberayTarget, and if KubeRay fails."""
        try:
            self.context = await asyncio.to_thread(self.load)
            with KubeClient(self.context) as client:
                await asyncio.to_thread(self.check, client)
                await asyncio.to_thread(self.create, client)
                tell(
                    f"created RayJob {self.job_name} in namespace {client.context.namespace}, for this job alone"
                )
                cluster = await self.wait_for_cluster(client, tell)
        except KuberayError as fault:
            raise submit_error(fault) from None
        self.options = replace(self.options, cluster=cluster)
        await KuberayTarget.ready(self, tell)

    def load(self) -> KubeContext:
        """The context. Blocks."""
        return kubeconfig.load(self.options.context, self.options.namespace)

    async def wait_for_cluster(self, client: KubeClient, tell: Callable[[str], None]) -> str:
        """Poll the RayJob until KubeRay has named its cluster. Raises Unreachable on timeout."""

        def report(state: str, elapsed: float) -> None:
            tell(f"RayJob {self.job_name} has no cluster yet ({state}); waiting ({self.meanwhile})")

        waiter = Waiter(self.options.wait, report, answered=True)
        try:
            while True:
                try:
                    job = await asyncio.to_thread(ephemeral.read, client, self.job_name)
                    ephemeral.raise_if_failed(client, self.job_name, job)
                    if await asyncio.to_thread(ephemeral.has_cluster, client, job):
                        return job.cluster
                    pause = waiter.record_state(ephemeral.why_no_cluster(job))
                except Unreachable as fault:
                    pause = waiter.record_unanswered(fault)
                await asyncio.sleep(pause)
        except WaitTimeout as late:
            raise Unreachable(
                f"RayJob {self.job_name} still has no cluster after {span(self.options.wait)}: "
                f"{late.state or 'no response'}.",
                "check that KubeRay's operator runs, or wait longer: --cluster-wait 1h",
            ) from None

    def check(self, client: KubeClient) -> None:
        """Check the caller's access and the RayJob; nothing is created. Raises KuberayError."""
        ephemeral.require(client)
        ephemeral.check(client, self.job)

    def create(self, client: KubeClient) -> None:
        """Create the RayJob, unless the command was interrupted: it waits for this thread, and then deletes it."""
        with self.lock:
            if not self.abandoned:
                self.created = True
                ephemeral.create(client, self.job)

    def dry_run(self) -> None:
        """Like `check`, for `--dry-run`. Blocks. Raises UsageError, PreflightError and ServerError."""
        try:
            self.context = self.load()
        except KuberayError as fault:
            raise submit_error(fault) from None
        self.change(self.check)

    def adopt(self, submission_id: str) -> None:
        """Tell KubeRay which job the cluster is for. Blocks. Raises ServerError and Unreachable."""
        self.change(lambda client: ephemeral.adopt(client, self.job_name, submission_id))

    def abandon(self) -> bool:
        """Create nothing any more. Returns whether there is something to delete. Blocks."""
        with self.lock:
            self.abandoned = True
            return self.created

    def delete(self) -> None:
        """Delete the cluster. Blocks. Raises ServerError and Unreachable."""
        self.change(lambda client: ephemeral.delete(client, self.job_name))

    def change(self, call: Callable[[KubeClient], None]) -> None:
        """Open the API server for some requests."""
        assert self.context is not None
        try:
            with KubeClient(self.context) as client:
                call(client)
        except KuberayError as fault:
            raise submit_error(fault) from None


def create(
    options: TargetOptions, script: str, manifest: Path | None, deadline: float | None
) -> EphemeralTarget:
    """The target for a script. The cluster is that of a manifest, or of compose.yaml. Raises UsageError."""
    name = ephemeral.name_for(script)
    cluster = read_manifest(manifest) if manifest else compose_manifest(name)
    return EphemeralTarget(options, job=ephemeral.rayjob(name, cluster, options.wait, deadline))


def compose_manifest(name: str) -> dict[str, Any]:
    """The cluster of this checkout's compose.yaml and settings."""
    from kuberay.manifest import ManifestOptions, raycluster
    from raydock import settings, topology

    return raycluster(topology.load(settings.ROOT, settings.read()), ManifestOptions(name))


def read_manifest(path: Path) -> Mapping[str, Any]:
    """The RayCluster in a YAML file. Raises UsageError."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        why = getattr(fault, "strerror", None) or "it is not YAML"
        raise UsageError(f"Can't read {path}: {why}.", f"python -m cluster manifest > {path}") from None
    if mapping(found).get("kind") != "RayCluster" or not mapping(mapping(found).get("spec")):
        raise UsageError(f"{path} is not a RayCluster.", f"python -m cluster manifest > {path}")
    return mapping(found)
