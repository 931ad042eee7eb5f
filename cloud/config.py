"""Settings of the cloud, all from the environment. compose.yaml and the processes cluster set them.

LAB_FILE             the lab's world, default iam/lab.yaml
LAB_STATE            folder for what has to outlive a restart: policies, the secret, certificates
LAB_STORAGE          base URL of the storage stand-in; set and empty: there is none, and storage answers 501
LAB_DASHBOARD        base URL of the Ray dashboard behind the gateway
LAB_KEY_SHA256       SHA-256 of the gateway's key, in hexadecimal; empty: nobody gets in
LAB_PROJECT          the project that the cluster belongs to, default lab-project
LAB_SERVICE_ACCOUNT  address of the account that jobs run as, default: lab.yaml's `job`
LAB_WAY_OUT          networks that jobs may reach besides public addresses: 10.0.0.0/8,192.168.1.0/24
LAB_VERTEX           name of Vertex's control plane, where there is one
LAB_TOKEN_TTL        seconds that an access token lasts, default 3600
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud.egress import Network
from iam.errors import IamError

LAB_FILE = Path(__file__).resolve().parent.parent / "iam" / "lab.yaml"


@dataclass(frozen=True, slots=True)
class Settings:
    lab: Path
    state: Path
    storage: str
    dashboard: str
    key_sha256: str
    project: str
    job: str
    token_seconds: float
    way_out: tuple[Network, ...] = ()
    vertex: str = ""


def read(environ: Mapping[str, str]) -> Settings:
    """Raises IamError for a setting that can't be used, naming it."""
    return Settings(
        lab=file(Path(environ.get("LAB_FILE") or LAB_FILE)),
        state=Path(environ.get("LAB_STATE") or "/var/lib/raydock"),
        storage=environ.get("LAB_STORAGE", "http://storage:4443"),
        dashboard=environ.get("LAB_DASHBOARD") or "http://head:8265",
        key_sha256=environ.get("LAB_KEY_SHA256", ""),
        project=environ.get("LAB_PROJECT") or "lab-project",
        job=environ.get("LAB_SERVICE_ACCOUNT", ""),
        token_seconds=seconds(environ.get("LAB_TOKEN_TTL") or "3600"),
        way_out=networks(environ.get("LAB_WAY_OUT", "")),
        vertex=environ.get("LAB_VERTEX", ""),
    )


def networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(word.strip()) for word in text.split(",") if word.strip())
    except ValueError as fault:
        raise IamError(
            f"LAB_WAY_OUT is {text!r}: {fault}.", "Write it as 10.0.0.0/8,192.168.1.0/24"
        ) from None


def file(path: Path) -> Path:
    if not path.is_file():
        raise IamError(f"LAB_FILE names {path}, and there is no such file.", "Mend LAB_FILE, or leave it out")
    return path


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 43200:
        raise IamError(f"LAB_TOKEN_TTL is {text!r}.", "Make it a number of seconds from 1 to 43200")
    return value
