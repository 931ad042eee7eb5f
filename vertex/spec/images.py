"""The names of Vertex AI's prebuilt images, built like in `vertex_ray.util._validation_utils.get_image_uri`.

Source: google-cloud-aiplatform 2.7.0.
"""

from __future__ import annotations

import re

from raydock import versions
from raydock.errors import UsageError

REGIONS = ("us", "europe", "asia")  # where Google keeps the images; all other regions use the first
# Registries that Vertex AI can pull from: https://cloud.google.com/vertex-ai/docs/training/create-custom-container
CUSTOM = re.compile(r"(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io|docker\.io)/\S+")


def prebuilt(region: str, gpu: bool) -> str:
    """The nearest prebuilt image for a region, with raydock's Ray and Python versions and with or without CUDA."""
    near = region.partition("-")[0]
    near = near if near in REGIONS else REGIONS[0]
    kind = "gpu" if gpu else "cpu"
    tag = f"ray-{kind}.{versions.RAY_MINOR.replace('.', '-')}.py{versions.PYTHON.replace('.', '')}"
    return f"{near}-docker.pkg.dev/vertex-ai/training/{tag}:latest"


def is_prebuilt(uri: str) -> bool:
    """Whether an image is one of Google's."""
    return "-docker.pkg.dev/vertex-ai/training/" in uri


def custom(text: str) -> str:
    """Validate a custom image's URI. Raises UsageError if Vertex AI can't pull from there."""
    if not CUSTOM.fullmatch(text):
        raise UsageError(
            f"Vertex AI can't pull the image {text}.",
            "Push it to Artifact Registry and pass its full name: docs/vertex-images.md",
        )
    return text
