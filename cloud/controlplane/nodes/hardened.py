"""The containers of Ray nodes: restricted as in compose.yaml, and led to the lab's Google Cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BYTES_PER_PID = 2**18  # a node may run one process or thread per this much memory
SECOND = 1_000_000_000  # the API counts nanoseconds
# Variables that a node inherits from the service that starts it: compose.yaml's x-google.
PASSED_ON = (
    *("RAYDOCK_TRUST", "GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"),
    *("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"),
    *("NO_PROXY", "no_proxy"),
)


@dataclass(frozen=True, slots=True)
class Container:
    """A node's container. `role` is head or worker, `memory` is in bytes, `aliases` are its names on `network`."""

    image: str
    command: Sequence[str]
    role: str
    memory: int
    network: str
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    aliases: Sequence[str] = ()
    shm: int = 0  # bytes of `memory` for the object store; 0: three tenths

    def body(self) -> dict[str, Any]:
        """The request to create the container, hardened like compose.yaml's x-service."""
        return {
            "Image": self.image,
            "Cmd": list(self.command),
            "User": "ray",
            "Env": [f"{key}={value}" for key, value in self.environment.items()],
            "Labels": dict(self.labels),
            "Healthcheck": healthcheck(self.role),
            "HostConfig": {
                "Init": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true"],
                "PidsLimit": self.memory // BYTES_PER_PID,
                "Memory": self.memory,
                "ShmSize": self.shm or self.memory * 3 // 10,
                "RestartPolicy": {"Name": "unless-stopped"},
                "NetworkMode": self.network,
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
            },
            "NetworkingConfig": {"EndpointsConfig": {self.network: {"Aliases": list(self.aliases)}}},
        }


def inherited(environ: Mapping[str, str], *hosts: str) -> dict[str, str]:
    """The variables that lead to the lab's Google Cloud. `hosts` are reached without the proxy."""
    passed = {name: environ[name] for name in PASSED_ON if name in environ}
    for name in ("NO_PROXY", "no_proxy"):
        if name in passed:
            passed[name] = ",".join([passed[name], *hosts])
    return passed


def compose_labels(project: str, service: str, number: int) -> dict[str, str]:
    """The labels that make a container part of a Compose project, so that `make cluster-down` removes it."""
    return {
        "com.docker.compose.project": project,
        "com.docker.compose.service": service,
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": service,  # Compose ignores containers without one
        "com.docker.compose.container-number": str(number),
    }


def healthcheck(role: str) -> dict[str, Any]:
    """compose.yaml's x-healthcheck: healthy means that a job would run now."""
    return {
        "Test": ["CMD", "python3", "-IS", "/opt/raydock/health.py", role],
        "Interval": 60 * SECOND,
        "Timeout": 8 * SECOND,
        "Retries": 2,
        "StartPeriod": 180 * SECOND,
        "StartInterval": SECOND,
    }


def container_state(status: str, state: str) -> str:
    """A node's state, from its container in the engine's list: made, starting, ready or failed."""
    if state in ("exited", "dead", "restarting") or "(unhealthy)" in status:
        return "failed"
    if "(healthy)" in status:
        return "ready"
    return "made" if state == "created" else "starting"
