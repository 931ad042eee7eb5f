"""The kind "docker": compose.yaml run by Docker Compose."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cluster import applied, key, ports, scale, started
from cluster.docker import images, mounts
from cluster.docker.engine import DockerEngine, connect, find_compose, member
from cluster.errors import Leftover, NoEngine
from cluster.kinds import Context
from cluster.processes import record, services
from cluster.status import Member
from raydock.errors import CommandFailed
from raydock.topology import Pool

KIND = "docker"
WAIT_SECONDS = 180
STOP_SECONDS = 20
# Compose's own deadline comes first; this one is for a Compose that hangs.
COMMAND_SECONDS = WAIT_SECONDS + 60.0


def open_cluster(context: Context) -> ComposeCluster:
    return ComposeCluster(context)


@dataclass(frozen=True)
class ComposeCluster:
    context: Context

    @cached_property
    def engine(self) -> DockerEngine:
        return connect()

    @property
    def project(self) -> str:
        return self.context.topology.project

    def exists(self) -> bool:
        try:
            return bool(self.engine.belongings(self.project))
        except NoEngine as fault:
            if self.was_started():
                raise NoEngine(
                    f"{fault.message} The cluster {self.project} was started there: its containers, networks and "
                    "volumes are left, and can't be seen or removed until it does.",
                    "Start Docker, then try again. Nothing was changed.",
                ) from fault
            return False

    def was_started(self) -> bool:
        """Whether this checkout started one and has not removed it, as far as the state folder tells."""
        state = self.context.state
        if kind := started.kind(state):
            return kind == KIND
        return bool(applied.load(state) and key.read(state)) and not record.file_in(state).exists()

    def up(self, build: bool, restart: bool = False) -> None:
        mounts.require_readable(self.context)
        if build or images.missing(self.engine, self.context):
            self.build(build)
        present = self.members()
        if not present:
            ports.require_free(self.context.topology.port)
        started.begin(self.context.state, KIND, self.context.chosen)
        # Compose would make a container anew whose settings it finds changed, with what runs in it.
        how = ["--force-recreate"] if restart else ["--no-recreate"] if present else []
        self.start(*how, *self.sizes(present), renewed=restart)

    def sizes(self, present: Sequence[Member]) -> list[str]:
        """What `scale` made of a pool stays; its size is compose.yaml's only where nothing is there yet."""
        pools = dict.fromkeys(found.pool for found in present if found.pool != "head")
        counts = {pool: sum(found.pool == pool for found in present) for pool in pools}
        kept = started.sizes(self.context.state) if present else {}
        return [f"--scale={pool}={count}" for pool, count in {**counts, **kept}.items()]

    def build(self, every: bool = False) -> list[str]:
        """Builds the images that are missing, or every one; returns their names."""
        services = {image: service for service, image in self.context.topology.images.items()}
        wanted = list(services) if every else images.missing(self.engine, self.context)
        if not wanted:
            return []
        base = images.base_image(self.engine, self.context)
        trusted, variable = images.ca_bundle(self.context)
        self.context.say(f"building {', '.join(wanted)} on {base}; certificates: {trusted} ({variable})")
        self.compose("build", *(services[image] for image in wanted), base=base, seconds=images.BUILD_SECONDS)
        return wanted

    def start(self, *arguments: str, renewed: bool = False) -> None:
        wait = ("--wait", f"--wait-timeout={WAIT_SECONDS}")
        try:
            self.compose("up", "--detach", "--no-build", *wait, *arguments, renewed=renewed)
        except CommandFailed as error:
            if refused := self.refusal():
                raise refused from error
            raise CommandFailed(f"{error.message} {self.complaint()}", error.fix) from error

    def restart_cloud(self) -> None:
        running = {member(container).pool for container in self.engine.containers(self.project)}
        ours = [name for name in (services.CLOUD, "vertex") if name in running]
        self.start("--no-deps", "--force-recreate", *ours)

    def down(self) -> list[str]:
        before = self.engine.belongings(self.project)
        self.compose("down", "--volumes", "--remove-orphans", f"--timeout={STOP_SECONDS}")
        self.engine.remove_networks(self.project)  # of Vertex's clusters, which Compose does not know
        if left := self.engine.belongings(self.project):
            raise Leftover(f"These could not be removed: {', '.join(left)}.", "Try again: make cluster-down")
        return before

    def members(self) -> list[Member]:
        found = [member(container) for container in self.engine.containers(self.project)]
        nodes = [
            found for found in found if found.pool in {pool.name for pool in self.context.topology.pools}
        ]
        return sorted(nodes, key=lambda node: node.pool != "head")

    def ended(self) -> list[str]:
        """The services whose containers do not run, though Docker starts them again after a crash."""
        pools = {pool.name for pool in self.context.topology.pools}
        services = sorted(set(self.context.topology.images.keys()) - pools)
        running = {found.pool for found in map(member, self.engine.containers(self.project)) if found.running}
        return [name for name in services if name not in running]

    def scale(self, pool: Pool, count: int, drain_timeout: float) -> None:
        scale.scale(self, self.context, pool, count, drain_timeout)

    def grow(self, pool: Pool, count: int) -> None:
        """Compose starts what is missing; run also after a removal, so that it knows the new size.

        With --no-deps it would note a service without dependencies, and find the nodes changed at the next `up`.
        """
        self.start("--no-recreate", f"--scale={pool.name}={count}", pool.name)

    def remove(self, members: list[Member]) -> None:
        names = {found.name for found in members}
        for container in self.engine.containers(self.project):
            if member(container).name in names:
                container.stop(timeout=STOP_SECONDS)
                container.remove(v=True, force=True)

    def on_head(self, source: str, *arguments: str) -> str:
        head: Any = self.engine.containers(self.project, "head")[0]
        status, output = head.exec_run(
            ["python3", "-c", source, "127.0.0.1:6379", *arguments], stderr=True, demux=True
        )
        stdout, stderr = ((part or b"").decode(errors="replace") for part in output)
        if status:
            last = "".join(stderr.strip().splitlines()[-1:])
            raise CommandFailed(
                f"A command on the head ended with {status}: {last}.", "See: docker compose logs head"
            )
        return stdout

    def compose(
        self,
        verb: str,
        *arguments: str,
        base: str = "",
        seconds: float = COMMAND_SECONDS,
        renewed: bool = False,
    ) -> None:
        """Runs one `docker compose` command; what it says goes to stderr. CommandFailed if it fails."""
        # What a profile started is to end too, also where the profile is not chosen any more.
        profiles = ["--profile", "*"] if verb == "down" else []
        command = [*find_compose(), *self.files(), *profiles, verb, *arguments]
        try:
            status = subprocess.run(
                command,
                env=self.environment(base, renewed),
                stdin=subprocess.DEVNULL,
                stdout=images.STDERR,
                timeout=seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            status = 124
        if status:
            raise CommandFailed(
                f"`docker compose {verb}` ended with {status}; the lines above say why.",
                "To start anew: make cluster-down, then make cluster-up",
            )

    def files(self) -> list[str]:
        root = self.context.root
        overlay = ["-f", str(root / "compose.gpu.yaml")] if self.engine.nvidia() else []
        return ["--project-directory", str(root), "-f", str(root / "compose.yaml"), *overlay]

    def environment(self, base: str, renewed: bool = False) -> dict[str, str]:
        """The same for every command, or Compose would find a container changed and make it anew.

        So a changed setting of the nodes waits until they are restarted (`renewed`): running jobs would be lost.
        """
        chosen = {"BASE_IMAGE": base} if base else {}
        secret = key.digest(key.read(self.context.state))
        kept = {} if renewed else applied.load(self.context.state)
        chosen |= {name: kept[name] for name in applied.changes(self.context).nodes if name in kept}
        sizes = {**self.context.chosen, **chosen}
        return {**os.environ, **sizes, **mounts.files(self.context), "RAYDOCK_KEY_SHA256": secret}

    def refusal(self) -> CommandFailed | None:
        """The cloud's own sentence, where it does not start: its settings or iam/lab.yaml are wrong."""
        for container in self.engine.containers(self.project, services.CLOUD):
            text = container.logs(tail=20).decode(errors="replace")
            if container.attrs["State"].get("Health", {}).get("Status") != "healthy" and "cloud: " in text:
                why, fix = services.refusal(text)
                return CommandFailed(
                    f"The lab's cloud did not start: {why}", fix or "Try again: make cluster-up"
                )
        return None

    def complaint(self) -> str:
        """Why the project's containers are not healthy: what the check found, or their last words."""
        lines = []
        for container in self.engine.containers(self.project):
            health = container.attrs["State"].get("Health", {}).get("Status", container.status)
            if health not in ("healthy", "created"):
                checks = container.attrs["State"].get("Health", {}).get("Log") or [{}]
                found = str(checks[-1].get("Output", "")).strip() if health == "unhealthy" else ""
                log = found or container.logs(tail=1).decode(errors="replace").strip()[-200:]
                lines.append(f"{container.name} is {health}: {log or 'it wrote nothing'}")
        return "; ".join(lines)
