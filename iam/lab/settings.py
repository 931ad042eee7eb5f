"""The lab's settings, parsed strictly.

`python -m cluster up` validates them before it starts a cluster, and the lab's cloud reads them at startup.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from iam.errors import IamError
from raydock import units

FILE = Path(__file__).parents[1] / "lab.yaml"
MAX_TOKEN_SECONDS = 43200  # Google's limit for a service account's token, 12 hours
EGRESS_ALLOW = "LAB_EGRESS_ALLOW"
OLD_EGRESS_ALLOW = "LAB_WAY_OUT"  # the old name, accepted for one more release

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


@dataclass(frozen=True, slots=True)
class LabSettings:
    """The user's settings for the lab; see .env.example."""

    file: Path
    project: str
    service_account: str  # the account that jobs run as; empty: the file's `job`
    token_seconds: float
    egress_allow: tuple[Network, ...]


def settings(environ: Mapping[str, str], root: Path = Path()) -> LabSettings:
    """Parse the lab's settings. A relative LAB_FILE is relative to `root`. Raises IamError, with the setting's name."""
    return LabSettings(
        file=existing_file(root / Path(environ.get("LAB_FILE") or FILE).expanduser()),
        project=environ.get("LAB_PROJECT") or "lab-project",
        service_account=environ.get("LAB_SERVICE_ACCOUNT", "").strip().removeprefix("serviceAccount:"),
        token_seconds=token_seconds(environ.get("LAB_TOKEN_TTL") or "3600"),
        egress_allow=egress_allow(environ),
    )


def egress_allow(environ: Mapping[str, str]) -> tuple[Network, ...]:
    """The networks in LAB_EGRESS_ALLOW, or in its old name if only that is set. Raises IamError."""
    name = EGRESS_ALLOW if environ.get(EGRESS_ALLOW) else OLD_EGRESS_ALLOW
    return networks(name, environ.get(name, ""))


def renamed_setting(environ: Mapping[str, str]) -> str:
    """The warning if a setting's old name is used; else ""."""
    if not environ.get(OLD_EGRESS_ALLOW):
        return ""
    ignored = " Its value is ignored because both are set." if environ.get(EGRESS_ALLOW) else ""
    return f"{OLD_EGRESS_ALLOW} is deprecated: rename it to {EGRESS_ALLOW}.{ignored}"


def existing_file(path: Path) -> Path:
    """Return the path of LAB_FILE. Raises IamError if it is not a file."""
    if not os.path.isfile(path):  # never raises, unlike Path.is_file
        raise IamError(f"LAB_FILE is {path}, which does not exist.", "Fix LAB_FILE, or unset it")
    return path


def token_seconds(text: str) -> float:
    """Parse LAB_TOKEN_TTL, a duration of 1 second to 12 hours. Raises IamError."""
    try:
        value = units.seconds(text)
    except ValueError:
        value = 0
    if not 1 <= value <= MAX_TOKEN_SECONDS:
        raise IamError(
            f"LAB_TOKEN_TTL is {text!r}.", f"Set it to a number of seconds from 1 to {MAX_TOKEN_SECONDS}"
        )
    return value


def networks(name: str, text: str) -> tuple[Network, ...]:
    """The networks in the setting `name`. Raises IamError for a malformed one."""
    try:
        return tuple(ipaddress.ip_network(word.strip()) for word in text.split(",") if word.strip())
    except ValueError as fault:
        raise IamError(f"{name} is {text!r}: {fault}.", "Write it as 10.0.0.0/8,192.168.1.0/24") from None
