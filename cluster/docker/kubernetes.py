"""Kubernetes in the lab (profile `kubernetes`): its image, and the kubeconfig for this machine."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.docker.engine import DockerEngine
from cluster.errors import NoApiServer
from raydock.errors import CommandFailed, NotUp
from raydock.state import kubeconfig_file, write_private

SERVICE = "kubernetes"
SOURCE = "/var/lib/kubernetes/kubeconfig"  # in the container: cloud/kubernetes/apiserver/credentials.py
START = "COMPOSE_PROFILES=kubernetes make cluster-up"
BUILDING = "building the Kubernetes API server from Debian's source package: about 4 minutes, once"
INSTEAD = (
    "Start the lab without the profile kubernetes, and use kind (https://kind.sigs.k8s.io) and KubeRay's operator: "
    "kind create cluster, then python -m cluster up --target kuberay --context kind-kind (docs/kuberay.md)"
)


def unavailable(fault: CommandFailed) -> NoApiServer:
    """The error for an API server that can't be built, such as on a machine that does not reach Debian's archive."""
    return NoApiServer(
        f"The lab's Kubernetes API server could not be built from Debian's sources. {fault.message}", INSTEAD
    )


def write_kubeconfig(engine: DockerEngine, project: str, state: Path) -> Path:
    """Write the lab user's kubeconfig to the state folder. Raises NotUp if the API server does not run."""
    containers: list[Any] = [one for one in engine.containers(project, SERVICE) if one.status == "running"]
    if not containers:
        raise NotUp("The lab runs no Kubernetes API server.", f"Start it in Docker: {START}")
    status, content = containers[0].exec_run(["cat", SOURCE])
    if status:
        raise NotUp("The lab's Kubernetes API server is still starting.", "Try again: make cluster-up")
    path = kubeconfig_file(state)
    write_private(path, content.decode())
    return path


def export(path: Path) -> str:
    """The command that makes kubectl and `--target kuberay` use the kubeconfig in a POSIX shell."""
    return f"export KUBECONFIG={shlex.quote(str(path))}"


def is_enabled(settings: Mapping[str, str]) -> bool:
    """Whether the profile is enabled."""
    return SERVICE in settings.get("COMPOSE_PROFILES", "").split(",")


def remove(state: Path) -> None:
    """Delete the kubeconfig."""
    shutil.rmtree(os.path.dirname(kubeconfig_file(state)), ignore_errors=True)
