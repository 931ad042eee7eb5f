"""The docker runtime: starts compose.yaml with Docker Compose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cluster import ports, scale
from cluster.docker import build_record, kubernetes, mounts
from cluster.docker.compose import UP_SECONDS, Compose
from cluster.docker.engine import SERVICE, VOLUME, DockerEngine, connect, member
from cluster.docker.image_builder import ImageBuilder
from cluster.errors import Leftover, NoEngine
from cluster.processes import record, services
from cluster.runtimes import Context, Rebuild
from cluster.state import applied, key, started
from cluster.status import Member
from raydock.errors import CommandFailed
from raydock.startup import StartupFailure, last_failure
from raydock.topology import Pool

RUNTIME = "docker"
DATA = ("cloud", "storage")  # the volumes that hold the lab's policies, and its buckets and objects
VERTEX = "vertex"  # the service that runs Vertex AI's control plane
LAB_SERVICES = (services.CLOUD, VERTEX, kubernetes.SERVICE, "kuberay")
USERS = ("notebook", "user")  # the services whose containers hold the user's files
STOP_SECONDS = 20


def open_cluster(context: Context) -> ComposeCluster:
    """This checkout's cluster in Docker. Starts nothing and does not contact the engine."""
    return ComposeCluster(context)


@dataclass(frozen=True)
class ComposeCluster:
    """A cluster run by Docker Compose. Implements cluster.runtimes.Runtime and cluster.scale.Scalable."""

    context: Context

    @cached_property
    def engine(self) -> DockerEngine:
        """The Docker engine. Raises NoEngine."""
        return connect()

    @property
    def compose(self) -> Compose:
        """The Compose command for this cluster."""
        return Compose(self.context, self.engine)

    @property
    def project(self) -> str:
        """The Compose project's name."""
        return self.context.topology.project

    def exists(self) -> bool:
        """See Runtime.exists. Without an engine, the state folder shows whether a cluster was started in Docker."""
        return bool(set(self.resources()) - set(self.data_volumes()))

    def kept_data(self) -> list[str]:
        """See Runtime.kept_data."""
        return [] if self.exists() else self.data_volumes()

    def resources(self) -> list[str]:
        """Everything in Docker that belongs to the cluster. Raises NoEngine if there may be something to list."""
        try:
            return self.engine.resources(self.project)
        except NoEngine as fault:
            if self.was_started():
                raise NoEngine(
                    f"{fault.message} The cluster {self.project} was started there; its containers, networks and "
                    "volumes can't be listed or removed while Docker is down.",
                    "Start Docker, then try again. Nothing was changed.",
                ) from fault
            return []

    def data_volumes(self) -> list[str]:
        """The volumes that hold the lab's buckets, objects and grants, in the form that `resources` returns."""
        try:
            found = self.engine.volumes(self.project)
        except NoEngine:
            return []
        return [f"volume {volume.name}" for volume in found if volume.attrs["Labels"].get(VOLUME) in DATA]

    def was_started(self) -> bool:
        """Whether, according to the state folder, a cluster was started in Docker and not removed since."""
        state = self.context.state
        if RUNTIME in started.data(state):
            return True
        if runtime := started.runtime(state):
            return runtime == RUNTIME
        # Earlier versions did not record the runtime.
        return bool(applied.load(state) and key.read(state)) and not record.path_in(state).exists()

    @cached_property
    def image_builder(self) -> ImageBuilder:
        """Builds the images. Compares them with the checkout once, so that what is reported is what is built."""
        return ImageBuilder(self.context, self.engine, self.compose)

    def outdated(self, rebuild: Rebuild) -> list[str]:
        """See Runtime.outdated. The user's containers are not replaced, because that would delete the files in them."""
        return [name for name in self.older_than_image(rebuild) if name not in USERS]

    def older_than_image(self, rebuild: Rebuild) -> list[str]:
        """The services with a container that was started from an older image than the one after `rebuild`."""
        plan = self.image_builder.plan
        found = {
            container.labels[SERVICE]
            for container in self.engine.containers(self.project)
            if (image := plan.of(container.labels[SERVICE]))
            and image.replaces(build_record.read(container.labels), rebuild)
        }
        return [name for name in self.context.topology.images if name in found]

    def up(self, rebuild: Rebuild, restart: bool = False) -> None:
        """See Runtime.up. Builds the missing and the changed images first."""
        mounts.require_readable(self.context)
        self.image_builder.build(rebuild)
        present = self.members()
        if not present:
            ports.require_free(self.context.topology.port)
        started.begin(self.context.state, RUNTIME, self.context.chosen)
        # By default, Compose recreates a container whose settings changed, which kills the jobs in it.
        how = ["--force-recreate"] if restart else ["--no-recreate"] if present else []
        if not restart:
            self.remove_outdated()
        self.start(*how, *self.scale_flags(present), renewed=restart)

    def remove_outdated(self) -> None:
        """Remove the containers of older images, for Compose to create again. Keeps their volumes."""
        older = self.older_than_image(Rebuild.MISSING)
        for container in self.engine.containers(self.project):
            if container.labels[SERVICE] in set(older).difference(USERS):
                container.stop(timeout=STOP_SECONDS)
                container.remove(v=True, force=True)
        for name in set(older).intersection(USERS):
            self.context.say(
                f"{name}: its older container keeps running, because a new one would lose the files in it; "
                f"to replace it: docker compose rm --stop --force {name}"
            )

    def scale_flags(self, present: Sequence[Member]) -> list[str]:
        """Flags that keep every existing pool's size. The sizes in compose.yaml apply only to a new cluster."""
        pools = dict.fromkeys(found.pool for found in present if found.pool != "head")
        counts = {pool: sum(found.pool == pool for found in present) for pool in pools}
        kept = started.sizes(self.context.state) if present else {}
        return [f"--scale={pool}={count}" for pool, count in {**counts, **kept}.items()]

    def start(self, *arguments: str, renewed: bool = False) -> None:
        """Run `docker compose up` and wait for the health checks. Raises CommandFailed, which lists failed ones."""
        wait = ("--wait", f"--wait-timeout={UP_SECONDS}")
        try:
            with self.context.steps.step("starting the containers"):
                self.compose.run("up", "--detach", "--no-build", *wait, *arguments, renewed=renewed)
        except CommandFailed as error:
            if failure := self.startup_failure():
                raise failure.error() from error
            raise CommandFailed(
                "\n".join([*self.unhealthy_containers(), error.message]), error.fix
            ) from error

    def restart_cloud(self) -> None:
        """See Runtime.restart_cloud. Also restarts the other services of the lab that are running."""
        running = {member(container).pool for container in self.engine.containers(self.project)}
        ours = [name for name in LAB_SERVICES if name in running]
        self.start("--no-deps", "--force-recreate", *ours)

    def down(self, keep_data: bool = False) -> list[str]:
        """See Runtime.down. Raises Leftover."""
        kept = set(self.data_volumes()) if keep_data else set()
        before = self.engine.resources(self.project)
        with self.context.steps.step("removing the containers"):
            volumes = [] if keep_data else ["--volumes"]
            self.compose.run("down", *volumes, "--remove-orphans", f"--timeout={STOP_SECONDS}")
        self.engine.remove_networks(
            self.project
        )  # the lab's Vertex AI clusters have some that Compose does not know
        self.engine.remove_volumes(self.project, DATA if keep_data else ())
        if left := [name for name in self.engine.resources(self.project) if name not in kept]:
            raise Leftover(f"Could not remove {', '.join(left)}.", "Try again: make cluster-down")
        return [name for name in before if name not in kept]

    def members(self) -> list[Member]:
        """See Runtime.members."""
        found = [member(container) for container in self.engine.containers(self.project)]
        nodes = [
            found for found in found if found.pool in {pool.name for pool in self.context.topology.pools}
        ]
        return sorted(nodes, key=lambda node: node.pool != "head")

    def stopped_services(self) -> list[str]:
        """See Runtime.stopped_services. Docker restarts crashed services, so these were stopped or keep crashing."""
        pools = {pool.name for pool in self.context.topology.pools}
        services = sorted(set(self.context.topology.images.keys()) - pools)
        running = {found.pool for found in map(member, self.engine.containers(self.project)) if found.running}
        return [name for name in services if name not in running]

    def scale(self, pool: Pool, count: int, drain_timeout: float) -> None:
        """See Runtime.scale."""
        scale.scale(self, self.context, pool, count, drain_timeout)

    def grow(self, pool: Pool, count: int) -> None:
        """See Scalable.grow. Also called after nodes are removed, so that Compose records the new size.

        Does not use --no-deps: Compose would record a service without dependencies, and the next `up` would treat the
        nodes as changed.
        """
        self.start("--no-recreate", f"--scale={pool.name}={count}", pool.name)

    def remove(self, members: list[Member]) -> None:
        """See Scalable.remove."""
        names = {found.name for found in members}
        for container in self.engine.containers(self.project):
            if member(container).name in names:
                container.stop(timeout=STOP_SECONDS)
                container.remove(v=True, force=True)

    def kill(self, node: Member) -> None:
        """See Mortal.kill. Docker's restart policy does not apply to containers that were killed."""
        self.container_of(node).kill()

    def start_again(self, node: Member) -> None:
        """See Mortal.start_again."""
        self.container_of(node).start()

    def container_of(self, wanted: Member) -> Any:
        """A member's container."""
        containers = self.engine.containers(self.project)
        return next(container for container in containers if member(container).name == wanted.name)

    def on_head(self, source: str, *arguments: str) -> str:
        """See Scalable.on_head. Raises CommandFailed, which quotes the last line of stderr."""
        head: Any = self.engine.containers(self.project, "head")[0]
        status, output = head.exec_run(
            ["python3", "-c", source, "127.0.0.1:6379", *arguments], stderr=True, demux=True
        )
        stdout, stderr = ((part or b"").decode(errors="replace") for part in output)
        if status:
            last = "".join(stderr.strip().splitlines()[-1:])
            raise CommandFailed(
                f"A command on the head node failed with exit code {status}: {last}.",
                "See: docker compose logs head",
            )
        return stdout

    def startup_failure(self) -> StartupFailure | None:
        """Why one of the lab's services did not start, as the service itself reported it."""
        for name in LAB_SERVICES:
            for container in self.engine.containers(self.project, name):
                if container.attrs["State"].get("Health", {}).get("Status") != "healthy":
                    return last_failure(container.logs(tail=20).decode(errors="replace"))
        return None

    def unhealthy_containers(self) -> list[str]:
        """Each unhealthy container with its health check's output, or else the last line of its log."""
        lines = []
        for container in self.engine.containers(self.project):
            health = container.attrs["State"].get("Health", {}).get("Status", container.status)
            if health not in ("healthy", "created"):
                checks = container.attrs["State"].get("Health", {}).get("Log") or [{}]
                found = str(checks[-1].get("Output", "")).strip() if health == "unhealthy" else ""
                log = found or container.logs(tail=1).decode(errors="replace").strip()[-200:]
                lines.append(f"{container.name} is {health}: {log or 'no output'}")
        return lines
