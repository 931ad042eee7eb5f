"""Images of Ray on Vertex AI: the prebuilt ones, the form of custom ones, and the local images that run instead.

Versions: vertex_ray.util._validation_utils of google-cloud-aiplatform 2.7.0. End of support:
https://cloud.google.com/vertex-ai/docs/open-source/ray-on-vertex-ai/overview, as of November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

PYTHON_OF_RAY = {"2.9": ("3.10",), "2.33": ("3.10",), "2.42": ("3.10", "3.11"), "2.47": ("3.11",)}
END_OF_SUPPORT = {"2.47": date(2027, 7, 28)}
NOTICE = timedelta(days=180)  # before the end of support
OURS = ("2.47", "3.11")  # the Ray and Python versions of the lab's images
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
    """The problem with an image's URI; "" if there is none."""
    if found := PREBUILT.fullmatch(image):
        ray = f"{found['major']}.{found['minor']}"
        python = f"{found['python']}.{found['point']}"
        if ray not in PYTHON_OF_RAY:
            return f"Ray {ray} is not supported; supported: {', '.join(PYTHON_OF_RAY)}."
        if python not in PYTHON_OF_RAY[ray]:
            return f"Ray {ray} has no image for Python {python}; it has: {', '.join(PYTHON_OF_RAY[ray])}."
        if (ray, python) != OURS:
            return (
                f"The lab has Ray {OURS[0]} on Python {OURS[1]} only; Vertex AI also has {ray} on {python}."
            )
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
    """Which local image runs for a custom image; "" for a prebuilt one."""
    return (
        f"{local} runs instead of {image}: VERTEX_IMAGES selects another local image."
        if is_custom(image)
        else ""
    )


def support_notice(ray: str, today: date) -> str:
    """That Google's support for a Ray version ended or ends soon; "" otherwise."""
    end = END_OF_SUPPORT.get(ray)
    if end is None or today < end - NOTICE:
        return ""
    return f"Vertex AI's support for Ray {ray} {'ended' if today > end else 'ends'} on {end}."


def local_images(text: str) -> Mapping[str, str]:
    """Local images by the names in requests, from IMAGE=LOCAL,IMAGE=LOCAL. Raises ValueError with the wrong entry."""
    found = {}
    for entry in filter(None, (one.strip() for one in text.split(","))):
        image, _, local = (part.strip() for part in entry.partition("="))
        if not image or not local or "=" in local:
            raise ValueError(entry)
        found[image] = local
    return found
