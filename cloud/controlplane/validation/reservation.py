"""Checks on a machine's reservation affinity: google/cloud/aiplatform/v1/reservation_affinity.proto.

https://cloud.google.com/vertex-ai/docs/training/use-reservations. The lab has no reservations, so a valid affinity has
no effect. Not verified against the real service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]

BY_NAME = "compute.googleapis.com/reservation-name"
RESERVATION = re.compile(r"projects/[^/]+/zones/[^/]+/reservations/[^/]+")


def check_reservation(where: str, spec: Json) -> Problems:
    """Check a machine_spec; `where` is its field path."""
    affinity = spec.get("reservation_affinity")
    if affinity is None:
        return
    where = f"{where}.reservation_affinity"
    kind = affinity.get("reservation_affinity_type") or "TYPE_UNSPECIFIED"
    key, values = affinity.get("key") or "", affinity.get("values") or ()
    if kind == "TYPE_UNSPECIFIED":
        yield f"{where}.reservation_affinity_type", "It is required."
    elif kind != "SPECIFIC_RESERVATION":
        if key or values:
            yield f"{where}.key", f"key and values are for SPECIFIC_RESERVATION, not {kind}."
    else:
        yield from check_specific(where, key, values)


def check_specific(where: str, key: str, values: Sequence[str]) -> Problems:
    """Check the key and the values of a SPECIFIC_RESERVATION."""
    if key != BY_NAME:
        yield f"{where}.key", f'"{key}" is not {BY_NAME}.'
    if not values:
        yield f"{where}.values", "SPECIFIC_RESERVATION requires a reservation."
    for value in values:
        if not RESERVATION.fullmatch(value):
            text = f'"{value}" does not match projects/PROJECT/zones/ZONE/reservations/RESERVATION.'
            yield f"{where}.values", text
