"""Ray on Vertex AI images: the prebuilt ones, the format of custom ones, and the local images that run instead.

Versions: raydock/versions.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from raydock import versions

PYTHON_OF_RAY = {minor: release.pythons for minor, release in versions.ON_VERTEX_AI.items()}
OURS = (versions.RAY_MINOR, versions.PYTHON)  # the Ray and Python versions of the lab's images
PREBUILT = re.compile(
    r"(?:us|europe|asia)-docker\.pkg\.dev/vertex-ai/training/ray-(?:cpu|gpu)\."
    r"(?P<major>\d+)-(?P<minor>\d+)\.py(?P<python>\d)(?P<point>\d+):latest"
)
# Vertex AI accepts images from Artifact Registry, Container Registry and Docker Hub:
# https://cloud.google.com/vertex-ai/docs/training/create-custom-container
CUSTOM = re.compile(
    r"(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io|docker\.io)(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+"
    r"(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


def check(image: str) -> str:
    """What is wrong with an image's URI; "" if it is valid."""
    if found := PREBUILT.fullmatch(image):
        ray = f"{found['major']}.{found['minor']}"
        python = f"{found['python']}.{found['point']}"
        if ray not in PYTHON_OF_RAY:
            return f"Ray {ray} is not supported; supported: {', '.join(PYTHON_OF_RAY)}."
        if python not in PYTHON_OF_RAY[ray]:
            return f"Ray {ray} has no image for Python {python}; available: {', '.join(PYTHON_OF_RAY[ray])}."
        if (ray, python) != OURS:
            only = f"The lab supports only Ray {OURS[0]} with Python {OURS[1]}"
            return f"{only}; Vertex AI also supports {ray} with {python}."
        return ""
    if "/vertex-ai/training/" in image:
        return f'There is no prebuilt image "{image}".'
    return (
        ""
        if CUSTOM.fullmatch(image)
        else f'"{image}" is not an image from a registry that Vertex AI supports.'
    )


def is_custom(image: str) -> bool:
    """Whether an image is not one of Google's prebuilt ones."""
    return bool(image) and not PREBUILT.fullmatch(image)


def notice(image: str, local: str) -> str:
    """A note about the local image that runs instead of a custom image; "" for a prebuilt image."""
    return (
        f"{local} runs instead of {image}. Set VERTEX_IMAGES to run a different local image."
        if is_custom(image)
        else ""
    )


def local_images(text: str) -> Mapping[str, str]:
    """Local images by requested image, from IMAGE=LOCAL,IMAGE=LOCAL. Raises ValueError with the invalid entry."""
    found = {}
    for entry in filter(None, (one.strip() for one in text.split(","))):
        image, _, local = (part.strip() for part in entry.partition("="))
        if not image or not local or "=" in local:
            raise ValueError(entry)
        found[image] = local
    return found
