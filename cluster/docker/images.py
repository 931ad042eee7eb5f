"""The images of the Docker cluster: which are missing, and what they are built on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cluster.docker.engine import DockerEngine
from cluster.errors import CommandFailed, NoRegistry
from cluster.runtimes import Context
from raydock import topology

STDERR = 2  # a child's output beside our progress
BUILD_SECONDS = 3600.0
# What pip and the other clients of this machine are told to trust; the first that names a file is taken.
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


GPU_SERVICE, GPU_LABEL = "gpu-worker", "raydock.gpu-build"  # see docker/Dockerfile


def missing(engine: DockerEngine, context: Context) -> list[str]:
    """The images of the topology that the engine lacks, or has without CUDA although it is wanted."""
    images = context.topology.images
    cuda = (context.settings.get("GPU_BUILD") or ("cuda" if engine.nvidia() else "cpu")) == "cuda"
    return [
        name
        for service, name in images.items()
        if not engine.has_image(name)
        or (cuda and service == GPU_SERVICE and engine.image_label(name, GPU_LABEL) == "cpu")
    ]


def base_image(engine: DockerEngine, context: Context) -> str:
    """The image to build on: the one given, else the public one, else one of Debian's packages made here."""
    wanted = context.topology.base_image
    if wanted != defaults(context).base_image or engine.has_image(wanted):
        return wanted
    try:
        engine.require_pullable(wanted)
        return wanted
    except NoRegistry as error:
        own = f"{context.settings.get('RAYDOCK_IMAGE_PREFIX') or 'raydock'}/base:bookworm"
        context.say(f"{error.message} Building on {own} instead, made of Debian's packages.")
        return self_built(own, context.root)


def self_built(name: str, root: Path) -> str:
    """Runs docker/base.sh, which makes the image unless it is there. Takes about a minute and root."""
    script = root / "docker" / "base.sh"
    try:
        done = subprocess.run([str(script), name], stdout=STDERR, timeout=BUILD_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(f"{script} {name} failed: {error}.", f"Try: docker/base.sh {name}") from error
    if done.returncode:
        raise CommandFailed(
            f"docker/base.sh {name} ended with {done.returncode}; the lines above say why.",
            "Or set BASE_IMAGE to an image with Python 3.11 that this machine has or can pull.",
        )
    return name


def ca_bundle(context: Context, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The certificates that builds and jobs trust, and the variable that names them."""
    wanted = context.topology.ca_bundle
    if wanted != defaults(context).ca_bundle:
        return wanted, "RAYDOCK_CA_BUNDLE"
    for name in CA_VARIABLES:
        if Path(environ.get(name) or "/nonexistent").is_file():
            return environ[name], name
    return wanted, "compose.yaml"


def defaults(context: Context) -> topology.Topology:
    """The topology where nothing is set."""
    return topology.load(context.root, {})
