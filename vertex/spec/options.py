"""Parses and validates the command line's cluster options. Raises UsageError for invalid values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from raydock import units
from raydock.errors import UsageError
from raydock.gcp import labels as label_rules
from vertex.spec.images import custom

ACCOUNT = re.compile(r"[\w.-]+@[\w.-]+\.gserviceaccount\.com")
NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """The options for a new cluster.

    `images` is keyed by the pool's name in compose.yaml, or by "" for all pools. `bounds` are the minimum and maximum
    number of nodes in each worker pool.
    """

    account: str = ""
    network: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    bounds: tuple[int, int] | None = None
    images: Mapping[str, str] = field(default_factory=dict)

    def image(self, pool: str) -> str:
        """The image requested for a pool, or "" for the prebuilt one."""
        return self.images.get(pool) or self.images.get("", "")


def parse_options(
    account: str, network: str, labels: Sequence[str], bounds: str, images: Sequence[str]
) -> ClusterOptions:
    """Parse all options. Raises UsageError."""
    if len(labels) >= label_rules.COUNT:  # raydock adds one more label
        raise UsageError(
            f"{len(labels)} labels exceed the limit of {label_rules.COUNT - 1}.",
            "Remove some of the --label options.",
        )
    return ClusterOptions(
        parse_account(account),
        parse_network(network),
        dict(map(parse_label, labels)),
        parse_bounds(bounds) if bounds else None,
        dict(map(parse_image, images)),
    )


def parse_account(text: str) -> str:
    """Validate a service account's address. Raises UsageError."""
    if text and not ACCOUNT.fullmatch(text):
        raise UsageError(
            f"Invalid service account {text!r}.",
            "Example: --service-account NAME@PROJECT.iam.gserviceaccount.com",
        )
    return text


def parse_network(text: str) -> str:
    """Validate a network's full resource name. Raises UsageError."""
    if text and not NETWORK.fullmatch(text):
        raise UsageError(
            f"Invalid network {text!r}: expected its full resource name.",
            "Example: --network projects/NUMBER/global/networks/NAME",
        )
    return text


def parse_label(text: str) -> tuple[str, str]:
    """Parse "team=a" into ("team", "a"). Raises UsageError."""
    key, equals, value = text.partition("=")
    if not (equals and label_rules.is_key(key) and label_rules.is_value(value)):
        raise UsageError(
            f"Invalid label {text!r}: use up to {label_rules.LENGTH} lowercase letters, digits, '-' and '_' "
            "for KEY and for VALUE, and start KEY with a letter.",
            "Example: --label team=vision",
        )
    if key == "raydock":
        raise UsageError("The label raydock is reserved.", "Choose another key.")
    return key, value


def parse_bounds(text: str) -> tuple[int, int]:
    """Parse "1:4" into (1, 4). Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4})", text)
    if not found or int(found[1]) >= int(found[2]):
        raise UsageError(
            f"Invalid --autoscale {text!r}: expected MIN:MAX with MIN less than MAX.",
            "Example: --autoscale 1:4",
        )
    return int(found[1]), int(found[2])


def parse_image(text: str) -> tuple[str, str]:
    """Parse "gpu-worker=URI" into ("gpu-worker", URI), and a URI alone into ("", URI). Raises UsageError."""
    pool, equals, uri = text.partition("=")
    return (pool, custom(uri)) if equals else ("", custom(text))


def parse_duration(text: str, flag: str) -> float:
    """Parse a duration in raydock/units.py's notation, for example "30m" into 1800.0. Raises UsageError."""
    try:
        return units.seconds(text)
    except ValueError as fault:
        raise UsageError(f"{flag} {fault}.", f"Example: {flag} 30m") from None
