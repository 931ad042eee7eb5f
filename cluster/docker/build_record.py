"""What an image was built from, as recorded in its label `raydock.build`. Containers inherit the label."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

LABEL = "raydock.build"


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What an image was built from.

    image: the name that it was built under; an image derived from it inherits the label, but has another name.
    inputs: the digest of its files: cluster/build/inputs.py.
    base, base_id: the base image's name, and its ID if the engine had it ("" if only the builder did).
    setting: BASE_IMAGE, if it was set.
    """

    image: str
    inputs: str
    base: str
    base_id: str = ""
    setting: str = ""

    def as_label(self) -> str:
        """The label's value."""
        return json.dumps(asdict(self), sort_keys=True)


def read(labels: Mapping[str, str]) -> BuildRecord | None:
    """The record in an image's or a container's labels, or None if `cluster` did not build it."""
    try:
        found = json.loads(labels.get(LABEL, ""))
        return BuildRecord(**{name: str(value) for name, value in found.items()})
    except (ValueError, TypeError, AttributeError):
        return None


def differs(one: BuildRecord | None, other: BuildRecord | None) -> bool:
    """Whether two images were built from different files or base images. An unknown base image's ID counts as equal."""
    if one is None or other is None:
        return one is not other
    if (one.inputs, one.base) != (other.inputs, other.base):
        return True
    return bool(one.base_id and other.base_id) and one.base_id != other.base_id
