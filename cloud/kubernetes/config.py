"""The settings of Kubernetes in the lab, read from the environment and set in compose.yaml.

KUBERNETES_STATE    folder for etcd's data, certificates and tokens, default /var/lib/kubernetes
KUBERNETES_BIN      folder with etcd and kube-apiserver, default /usr/local/bin
KUBERNETES_PORT     the API server's port on 127.0.0.1 of this machine, for the kubeconfig, default 6443
KUBERNETES_DOCKER   the Docker engine's socket, default /var/run/docker.sock
KUBERNETES_PROJECT  the Compose project of the pods' containers, default raydock
LAB_PROJECT         the Google Cloud project of the cluster, default lab-project
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud.kubernetes.apiserver.supervisor import Settings
from iam.errors import IamError


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The controller's settings; see the module's docstring for their meaning."""

    state: Path
    socket: str
    compose_project: str
    project: str


def server(environ: Mapping[str, str]) -> Settings:
    """The API server's settings. Raises IamError for an invalid value."""
    text = environ.get("KUBERNETES_PORT") or "6443"
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise IamError(f"Invalid value for KUBERNETES_PORT: {text!r}.", "Set it to a number from 1 to 65535")
    programs = Path(environ.get("KUBERNETES_BIN") or "/usr/local/bin")
    return Settings(programs, state(environ), int(text), project(environ))


def controller(environ: Mapping[str, str]) -> ControllerSettings:
    """The controller's settings."""
    return ControllerSettings(
        state=state(environ),
        socket=environ.get("KUBERNETES_DOCKER") or "/var/run/docker.sock",
        compose_project=environ.get("KUBERNETES_PROJECT") or "raydock",
        project=project(environ),
    )


def state(environ: Mapping[str, str]) -> Path:
    """The folder that both services share."""
    return Path(environ.get("KUBERNETES_STATE") or "/var/lib/kubernetes")


def project(environ: Mapping[str, str]) -> str:
    """The Google Cloud project."""
    return environ.get("LAB_PROJECT") or "lab-project"
