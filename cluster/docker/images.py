"""The docker runtime's images: which ones are missing, and their base image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cluster.docker.engine import DockerEngine
from cluster.errors import NoRegistry
from cluster.runtimes import Context
from cluster.state import logs
from raydock import topology
from raydock.errors import CommandFailed

BUILD_SECONDS = 3600.0
# Variables that point pip and other clients to a CA bundle. The first one that points to an existing file is used.
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
GPU_SERVICE, GPU_LABEL = "gpu-worker", "raydock.gpu-build"  # see docker/Dockerfile


def missing(engine: DockerEngine, context: Context) -> list[str]:
    """The images that must be built, including a GPU image that was built without CUDA if CUDA is wanted."""
    images = context.topology.images
    cuda = (context.settings.get("GPU_BUILD") or ("cuda" if engine.gpu_overlay() else "cpu")) == "cuda"
    return [
        name
        for service, name in images.items()
        if not engine.has_image(name)
        or (cuda and service == GPU_SERVICE and engine.image_label(name, GPU_LABEL) == "cpu")
    ]


def base_image(engine: DockerEngine, context: Context) -> str:
    """The base image: BASE_IMAGE, if set, or the public image, or, if that can't be pulled, one built from Debian."""
    wanted = context.topology.base_image
    if wanted != defaults(context).base_image or engine.has_image(wanted):
        return wanted
    try:
        engine.require_pullable(wanted)
        return wanted
    except NoRegistry as error:
        own = f"{context.settings.get('RAYDOCK_IMAGE_PREFIX') or 'raydock'}/base:bookworm"
        context.say(f"{error.message} Using {own} instead, which is built from Debian packages.")
        return self_built(own, context)


def self_built(name: str, context: Context) -> str:
    """Run docker/base.sh, which builds the image if it does not exist. This takes about a minute and requires root."""
    script, log = context.root / "docker" / "base.sh", logs.named(context.state, "base-image")
    try:
        with context.steps.step(f"building {name}"):
            code = log.run([str(script), name], BUILD_SECONDS, context.steps.update)
    except OSError as error:
        raise CommandFailed(f"{script} {name} failed: {error}.", f"Try: docker/base.sh {name}") from error
    if code:
        raise log.failure(
            f"docker/base.sh {name}",
            code,
            "Or set BASE_IMAGE to a Python 3.11 image that this machine has or can pull.",
        )
    return name


def ca_bundle(context: Context, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The CA bundle that builds and jobs trust, and the setting that selects it."""
    wanted = context.topology.ca_bundle
    if wanted != defaults(context).ca_bundle:
        return wanted, "RAYDOCK_CA_BUNDLE"
    for name in CA_VARIABLES:
        if Path(environ.get(name) or "/nonexistent").is_file():
            return environ[name], name
    return wanted, "compose.yaml"


def defaults(context: Context) -> topology.Topology:
    """The topology with the default settings."""
    return topology.load(context.root, {})
