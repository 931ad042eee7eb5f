"""Parse and validate the cluster options of the command line. Raises UsageError for invalid values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from raydock import units
from raydock.errors import UsageError
from vertex.spec.images import custom

ACCOUNT = re.compile(r"[\w.-]+@[\w.-]+\.gserviceaccount\.com")
NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")
LABEL = re.compile(r"[a-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """The options of a new cluster.

    `images` is by compose.yaml pool, with "" for all pools. `bounds` are the minimum and maximum number of nodes of
    each worker pool.
    """

    account: str = ""
    network: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    bounds: tuple[int, int] | None = None
    images: Mapping[str, str] = field(default_factory=dict)

    def image(self, pool: str) -> str:
        """The image requested for a pool; "" for the prebuilt one."""
        return self.images.get(pool) or self.images.get("", "")


def parse_options(
    account: str, network: str, labels: Sequence[str], bounds: str, images: Sequence[str]
) -> ClusterOptions:
    """Parse all options. Raises UsageError."""
    return ClusterOptions(
        account_of(account),
        network_of(network),
        dict(map(label, labels)),
        bounds_of(bounds) if bounds else None,
        dict(map(image, images)),
    )


def account_of(text: str) -> str:
    """Validate a service account's address. Raises UsageError."""
    if text and not ACCOUNT.fullmatch(text):
        raise UsageError(
            f"{text!r} is no service account's address.",
            "Write --service-account NAME@PROJECT.iam.gserviceaccount.com",
        )
    return text


def network_of(text: str) -> str:
    """Validate a network's full resource name. Raises UsageError."""
    if text and not NETWORK.fullmatch(text):
        raise UsageError(
            f"{text!r} is no network's full name.", "Write --network projects/NUMBER/global/networks/NAME"
        )
    return text


def label(text: str) -> tuple[str, str]:
    """Parse "team=a" into ("team", "a"). Raises UsageError."""
    key, equals, value = text.partition("=")
    if (
        not (LABEL.fullmatch(key) and equals and (not value or LABEL.fullmatch(value)))
        or key[0] in "-_0123456789"
    ):
        raise UsageError(
            f"{text!r} is no label: KEY=VALUE of small letters, digits, - and _, at most 63, a letter first.",
            "Example: --label team=vision",
        )
    if key == "raydock":
        raise UsageError("The label raydock is set by raydock itself.", "Choose another key.")
    return key, value


def bounds_of(text: str) -> tuple[int, int]:
    """Parse "1:4" into (1, 4). Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4})", text)
    if not found or int(found[1]) >= int(found[2]):
        raise UsageError(
            f"--autoscale {text}: not MIN:MAX with MIN less than MAX.", "Example: --autoscale 1:4"
        )
    return int(found[1]), int(found[2])


def image(text: str) -> tuple[str, str]:
    """Parse "gpu-worker=URI" into ("gpu-worker", URI), and a bare URI into ("", URI). Raises UsageError."""
    pool, equals, uri = text.partition("=")
    return (pool, custom(uri)) if equals else ("", custom(text))


def seconds(text: str, flag: str) -> float:
    """Parse "30m" into 1800.0, in the notation of raydock/units.py. Raises UsageError."""
    try:
        return units.seconds(text)
    except ValueError as fault:
        raise UsageError(f"{flag} {fault}.", f"Example: {flag} 30m") from None
