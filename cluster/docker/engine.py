"""The Docker engine: everything that we ask of it goes through the `docker` package, from here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from cluster.errors import NoEngine, NoRegistry
from cluster.status import Member
from raydock.machine import Machine

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
INSTALL = "Start Docker, or use this machine's processes: python -m cluster up --kind processes"


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """An engine that answered."""

    client: Any  # docker.DockerClient
    address: str
    version: str

    def nvidia(self) -> bool:
        """Whether containers can be given the NVIDIA device here."""
        return "nvidia" in self.client.info().get("Runtimes", {})

    def machine(self) -> Machine:
        """What the engine has for containers: with Docker Desktop, its virtual machine's CPUs and memory."""
        about = self.client.info()
        return Machine(int(about["NCPU"]), int(about["MemTotal"]))

    def has_image(self, name: str) -> bool:
        return bool(self.client.images.list(name=name))

    def image_label(self, name: str, label: str) -> str:
        """A label of a local image; empty if it has no such label."""
        return str(self.client.images.get(name).labels.get(label, ""))

    def require_pullable(self, image: str, seconds: float = 20) -> None:
        """Raises NoRegistry with the reason where the image can't be pulled from here."""
        client = import_module("docker").DockerClient(base_url=self.address, timeout=seconds)
        try:
            client.images.get_registry_data(image)
        except Exception as error:  # the engine's refusals and requests' timeouts have no common class
            raise NoRegistry(
                f"The image {image} can't be pulled from here: {first_line(error)}.",
                "Set BASE_IMAGE to an image that this machine has or can pull.",
            ) from error
        finally:
            client.close()

    def containers(self, project: str, service: str = "") -> list[Any]:
        """The project's containers, whatever their state, in the order of their names."""
        labels = [f"{PROJECT}={project}"] + ([f"{SERVICE}={service}"] if service else [])
        found = self.client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
        return sorted(found, key=lambda container: (len(container.name), container.name))

    def belongings(self, project: str) -> list[str]:
        """The project's containers, networks and volumes, as "network raydock_default"."""
        label = {"label": f"{PROJECT}={project}"}
        return [
            *(f"container {found.name}" for found in self.containers(project)),
            *(f"network {found.name}" for found in self.client.networks.list(filters=label)),
            *(f"volume {found.name}" for found in self.client.volumes.list(filters=label)),
        ]

    def remove_networks(self, project: str) -> None:
        """Removes the project's networks that no container is in."""
        for network in self.client.networks.list(filters={"label": f"{PROJECT}={project}"}):
            with suppress(import_module("docker").errors.APIError):
                network.remove()


def connect(seconds: float = 60) -> DockerEngine:
    """The engine of this machine. NoEngine says why there is none; it is asked for 5 s at most."""
    docker = import_module("docker")
    address = engine_address()
    try:
        knock(address)
        with_short_patience = docker.DockerClient(base_url=address, timeout=5)
        version = with_short_patience.version()["Version"]
        with_short_patience.close()
    except (docker.errors.DockerException, OSError) as error:
        raise NoEngine(f"No Docker engine answers at {address}: {why(error)}.", INSTALL) from error
    return DockerEngine(docker.DockerClient(base_url=address, timeout=seconds), address, version)


def knock(address: str) -> None:
    """OSError where nothing listens on that socket: the docker package would leak one and wrap the reason."""
    scheme, _, path = address.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(path)


def engine_address() -> str:
    """Where the `docker` command looks too: $DOCKER_HOST, else the current context."""
    context = import_module("docker.context").ContextAPI.get_current_context()
    return str(os.environ.get("DOCKER_HOST") or getattr(context, "Host", "") or "unix:///var/run/docker.sock")


def why(error: BaseException) -> str:
    """The reason in a few words: the operating system's error stands somewhere inside the client's."""
    for inner in inside(error):
        if isinstance(inner, FileNotFoundError):
            return "there is no such socket"
        if isinstance(inner, PermissionError):
            return "this user may not use it (permission denied)"
        if isinstance(inner, ConnectionRefusedError):
            return "it is not running (connection refused)"
        if isinstance(inner, TimeoutError):
            return "it does not answer within 5 s"
    return first_line(error)


def inside(error: BaseException) -> Iterator[BaseException]:
    """The error, and every error that it wraps, was raised from, or carries among its arguments."""
    yield error
    for inner in (error.__cause__, error.__context__, *error.args):
        if isinstance(inner, BaseException):
            yield from inside(inner)


def first_line(error: BaseException) -> str:
    text = str(getattr(error, "explanation", None) or error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


@cache
def find_compose() -> tuple[str, ...]:
    """The command that speaks Compose, as ("/usr/bin/docker", "compose").

    Of several `docker` clients on a machine, only some may.
    """
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    clients = [str(path) for folder in dict.fromkeys(folders) if (path := Path(folder, "docker")).is_file()]
    standalone = shutil.which("docker-compose")
    for command in [(client, "compose") for client in clients] + ([(standalone,)] if standalone else []):
        if works((*command, "version")):
            return command
    raise NoEngine(
        "A Docker engine answers, but no `docker compose` command is installed.",
        "Install the Compose plugin: apt-get install docker-compose-plugin (Debian: docker-compose)",
    )


def works(command: tuple[str, ...]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def member(container: Any) -> Member:
    """A container as the node that it is to be."""
    pool, number = container.labels[SERVICE], container.labels[NUMBER]
    name = pool if pool == "head" else f"{pool}-{number}"
    since = milliseconds(container.attrs["State"]["StartedAt"])
    return Member(name, pool, container.attrs["Config"]["Hostname"], container.status == "running", since)


def milliseconds(time: str) -> int:
    """Since 1970, of the engine's notation: 2026-01-31T12:00:00.123456789Z; year 1 is never."""
    found = datetime.fromisoformat(time[:19] + "+00:00").timestamp()
    return max(0, int(found * 1000) + int((time[20:-1] or "0")[:3].ljust(3, "0")))
