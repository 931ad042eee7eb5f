"""Builds the docker runtime's images, and labels them with what they were built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cluster.docker import build_plan, images, kubernetes
from cluster.docker.build_plan import BuildPlan, ImagePlan
from cluster.docker.build_record import LABEL, BuildRecord
from cluster.docker.compose import Compose
from cluster.docker.engine import DockerEngine
from cluster.runtimes import Context, Rebuild
from raydock.errors import CommandFailed

NOTHING = BuildRecord("", "", "")
WITHOUT = "or use the existing images: python -m cluster up --no-build"


@dataclass(frozen=True)
class ImageBuilder:
    """Builds a checkout's images."""

    context: Context
    engine: DockerEngine
    compose: Compose

    @cached_property
    def plan(self) -> BuildPlan:
        """Which images are missing or out of date. Determined once, and again after a build."""
        return build_plan.plan(self.engine, self.context)

    def build(self, rebuild: Rebuild) -> list[str]:
        """Build images, and say why existing ones are rebuilt or kept. Returns the names of the built ones."""
        for line in self.plan.remarks(rebuild):
            self.context.say(line)
        wanted = self.plan.built(rebuild)
        if wanted:
            recorded = NOTHING if rebuild is Rebuild.ALL else self.plan.recorded
            server = [image for image in wanted if image.service == kubernetes.SERVICE]
            if plain := [image for image in wanted if image not in server]:
                self.build_these(plain, recorded)
            if server:
                self.build_api_server(server, recorded)
            del self.__dict__["plan"]
        return [image.name for image in wanted]

    def build_api_server(self, server: Sequence[ImagePlan], recorded: BuildRecord) -> None:
        """Build the image of the Kubernetes API server, after all others. Raises NoApiServer."""
        if not server[0].exists:
            self.context.say(kubernetes.BUILDING)
        try:
            self.build_these(server, recorded)
        except CommandFailed as fault:
            raise kubernetes.unavailable(fault) from fault

    def build_these(self, wanted: Sequence[ImagePlan], recorded: BuildRecord) -> None:
        """Build these images. Raises CommandFailed, which names --no-build if they all exist."""
        base = images.base_for(self.engine, self.context, recorded)
        trusted, variable = images.ca_bundle(self.context)
        self.context.say(f"base image {base}; CA certificates: {trusted} (from {variable})")
        labels = {image.service: {LABEL: self.record(image, base, recorded).as_label()} for image in wanted}
        try:
            with self.context.steps.step(f"building {', '.join(labels)}"):
                self.compose.build(base, labels)
        except CommandFailed as error:
            if all(image.exists for image in wanted):
                raise CommandFailed(error.message, f"{error.fix}; {WITHOUT}") from error
            raise

    def record(self, image: ImagePlan, base: str, recorded: BuildRecord) -> BuildRecord:
        """What the image will be built from."""
        found, topology = self.engine.image(base), self.context.topology
        is_set = topology.base_image != topology.default_base_image or base == recorded.setting
        return BuildRecord(image.name, image.inputs, base, found.id if found else "", base if is_set else "")
