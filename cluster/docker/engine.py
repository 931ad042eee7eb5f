"""The Docker engine. Only this module calls the `docker` package."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from cluster.docker import gpus
from cluster.errors import NoEngine, NoRegistry
from cluster.status import Member
from raydock.machine import Machine

PROJECT = "com.docker.compose.project"
VOLUME = "com.docker.compose.volume"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
INSTALL = "Start Docker, or run the cluster as processes: python -m cluster up --runtime processes"


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image that the engine has."""

    id: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """A Docker engine that responds."""

    client: Any  # docker.DockerClient
    address: str
    version: str

    def gpu_overlay(self) -> str:
        """The Compose file that gives containers this machine's NVIDIA GPUs, or "" if the engine can't."""
        return gpus.overlay(self.client.info(), self.address.startswith("unix:"))

    def machine(self) -> Machine:
        """The CPUs and memory available to containers. Docker Desktop reports those of its virtual machine."""
        about = self.client.info()
        return Machine(int(about["NCPU"]), int(about["MemTotal"]))

    def image(self, name: str) -> LocalImage | None:
        """The engine's image with this name, or None if there is none."""
        try:
            found = self.client.api.inspect_image(name)
        except import_module("docker").errors.ImageNotFound:
            return None
        return LocalImage(found["Id"], found["Config"].get("Labels") or {})

    def require_pullable(self, image: str, seconds: float = 20) -> None:
        """Raise NoRegistry, with the reason, if the registry can't be queried for the image within `seconds`."""
        client = import_module("docker").DockerClient(base_url=self.address, timeout=seconds)
        try:
            client.images.get_registry_data(image)
        except Exception as error:  # errors from the engine and timeouts from `requests` share no base class
            raise NoRegistry(
                f"Cannot pull the image {image}: {first_line(error)}.",
                "Set BASE_IMAGE to an image that this machine has or can pull.",
            ) from error
        finally:
            client.close()

    def containers(self, project: str, service: str = "") -> list[Any]:
        """The project's containers in any state, sorted by name. With `service`, only that service's containers."""
        labels = [f"{PROJECT}={project}"] + ([f"{SERVICE}={service}"] if service else [])
        found = self.client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
        return sorted(found, key=lambda container: (len(container.name), container.name))

    def resources(self, project: str) -> list[str]:
        """The project's containers, networks and volumes, in the form "network raydock_default"."""
        label = {"label": f"{PROJECT}={project}"}
        return [
            *(f"container {found.name}" for found in self.containers(project)),
            *(f"network {found.name}" for found in self.client.networks.list(filters=label)),
            *(f"volume {found.name}" for found in self.volumes(project)),
        ]

    def volumes(self, project: str) -> list[Any]:
        """The project's volumes."""
        return list(self.client.volumes.list(filters={"label": f"{PROJECT}={project}"}))

    def remove_volumes(self, project: str, keep: Collection[str] = ()) -> None:
        """Remove the project's unused volumes, except those whose Compose names are in `keep`."""
        for volume in self.volumes(project):
            if volume.attrs["Labels"].get(VOLUME) not in keep:
                with suppress(import_module("docker").errors.APIError):
                    volume.remove()

    def remove_networks(self, project: str) -> None:
        """Remove the project's networks that have no containers."""
        for network in self.client.networks.list(filters={"label": f"{PROJECT}={project}"}):
            with suppress(import_module("docker").errors.APIError):
                network.remove()


def connect(seconds: float = 60) -> DockerEngine:
    """Connect to this machine's engine. `seconds` is the timeout for later requests.

    Raises NoEngine, with the reason, if the engine does not respond within 5 s.
    """
    docker = import_module("docker")
    address = engine_address()
    try:
        probe_socket(address)
        probe = docker.DockerClient(base_url=address, timeout=5)
        version = probe.version()["Version"]
        probe.close()
    except (docker.errors.DockerException, OSError) as error:
        raise NoEngine(f"No Docker engine is responding at {address}: {reason(error)}.", INSTALL) from error
    return DockerEngine(docker.DockerClient(base_url=address, timeout=seconds), address, version)


def probe_socket(address: str) -> None:
    """Raise OSError if nothing is listening on the socket.

    The docker package would leak a socket and hide the reason.
    """
    scheme, _, path = address.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(path)


def engine_address() -> str:
    """The address that the `docker` command uses: $DOCKER_HOST, otherwise the current context."""
    context = import_module("docker.context").ContextAPI.get_current_context()
    return str(os.environ.get("DOCKER_HOST") or getattr(context, "Host", "") or "unix:///var/run/docker.sock")


def reason(error: BaseException) -> str:
    """Why the engine did not respond, in a few words. The client buries the operating system's error in its own."""
    for cause in causes(error):
        if isinstance(cause, FileNotFoundError):
            return "the socket does not exist"
        if isinstance(cause, PermissionError):
            return "permission denied for this user"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, TimeoutError):
            return "no response within 5 s"
    return first_line(error)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and every error that it wraps as its cause, its context, or one of its arguments."""
    yield error
    for cause in (error.__cause__, error.__context__, *error.args):
        if isinstance(cause, BaseException):
            yield from causes(cause)


def first_line(error: BaseException) -> str:
    """The first line of the error's message, without a final period."""
    text = str(getattr(error, "explanation", None) or error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


@cache
def find_compose() -> tuple[str, ...]:
    """The Compose command, for example ("/usr/bin/docker", "compose"). Raises NoEngine if there is none.

    If several `docker` clients are installed, the first one with the Compose plugin is used.
    """
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    clients = [str(path) for folder in dict.fromkeys(folders) if (path := Path(folder, "docker")).is_file()]
    standalone = shutil.which("docker-compose")
    for command in [(client, "compose") for client in clients] + ([(standalone,)] if standalone else []):
        if succeeds((*command, "version")):
            return command
    raise NoEngine(
        "A Docker engine is running, but `docker compose` is not installed.",
        "Install the Compose plugin: apt-get install docker-compose-plugin (Debian: docker-compose)",
    )


def succeeds(command: tuple[str, ...]) -> bool:
    """Whether the command exits with 0 within 20 s."""
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def member(container: Any) -> Member:
    """The container as a member of the cluster."""
    pool, number = container.labels[SERVICE], container.labels[NUMBER]
    name = pool if pool == "head" else f"{pool}-{number}"
    since = milliseconds(container.attrs["State"]["StartedAt"])
    return Member(name, pool, container.attrs["Config"]["Hostname"], container.status == "running", since)


def milliseconds(time: str) -> int:
    """Convert a timestamp from the engine, such as 2026-01-31T12:00:00.123456789Z, to milliseconds since 1970.

    The engine writes "never" as a date in the year 1, which becomes 0.
    """
    found = datetime.fromisoformat(time[:19] + "+00:00").timestamp()
    return max(0, int(found * 1000) + int((time[20:-1] or "0")[:3].ljust(3, "0")))
