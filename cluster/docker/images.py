"""The base image of the docker runtime's images, and the CA certificates that builds trust."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cluster.docker.build_record import BuildRecord
from cluster.docker.engine import DockerEngine
from cluster.errors import NoRegistry
from cluster.runtimes import Context
from cluster.state import logs
from raydock.errors import CommandFailed

BASE_SECONDS = 3600.0
# Variables that point pip and other clients to a CA bundle. The first one that points to an existing file is used.
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def base_for(engine: DockerEngine, context: Context, recorded: BuildRecord) -> str:
    """The base image for images that join, or replace, ones that were built before: the recorded one, if it is local.

    A base image that was chosen with BASE_IMAGE also counts if it was only set for that build.
    """
    if context.topology.base_image == context.topology.default_base_image:
        if recorded.setting:
            return recorded.setting
        if recorded.base == self_built_name(context) and engine.image(recorded.base):
            return recorded.base
    return base_image(engine, context)


def base_image(engine: DockerEngine, context: Context) -> str:
    """The base image: BASE_IMAGE, if set, or the public image, or, if that can't be pulled, one built from Debian."""
    wanted = context.topology.base_image
    if wanted != context.topology.default_base_image or engine.image(wanted):
        return wanted
    try:
        engine.require_pullable(wanted)
        return wanted
    except NoRegistry as error:
        own = self_built_name(context)
        context.say(f"{error.message} Using {own} instead, which is built from Debian packages.")
        return self_built(own, context)


def self_built_name(context: Context) -> str:
    """The name of the base image that is built from Debian packages."""
    return f"{context.settings.get('RAYDOCK_IMAGE_PREFIX') or 'raydock'}/base:bookworm"


def self_built(name: str, context: Context) -> str:
    """Run docker/base.sh, which builds the image if it does not exist. This takes about a minute and requires root."""
    script, log = context.root / "docker" / "base.sh", logs.named(context.state, "base-image")
    try:
        with context.steps.step(f"building {name}"):
            code = log.run([str(script), name], BASE_SECONDS, context.steps.update)
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
    if wanted != context.topology.default_ca_bundle:
        return wanted, "RAYDOCK_CA_BUNDLE"
    for name in CA_VARIABLES:
        if Path(environ.get(name) or "/nonexistent").is_file():
            return environ[name], name
    return wanted, "compose.yaml"
