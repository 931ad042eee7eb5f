"""Which images `up` builds: those that are missing, and those whose files or base image changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from cluster.build.inputs import BuildInputs
from cluster.docker import build_record
from cluster.docker.build_record import BuildRecord
from cluster.docker.engine import DockerEngine, LocalImage
from cluster.runtimes import Context, Rebuild
from raydock.topology import Topology

GPU_SERVICE, GPU_LABEL = "gpu-worker", "raydock.gpu-build"  # see docker/Dockerfile
OURS = "raydock/"  # the default RAYDOCK_IMAGE_PREFIX
FILES, BASE, SETTING = "its files changed", "its base image changed", "BASE_IMAGE changed"
NO_CUDA, UNKNOWN = "it has no CUDA", "its files are not recorded"


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """One service's image.

    inputs: the digest of the files that it would be built from now.
    record: what it was built from; None if it is missing or `cluster` did not build it.
    stale: why it should be rebuilt; "" if it is missing or up to date.
    foreign: whether it may be the user's own, or a registry's, so that only an explicit build replaces it.
    """

    service: str
    name: str
    inputs: str
    exists: bool
    record: BuildRecord | None = None
    stale: str = ""
    foreign: bool = False

    def is_built(self, rebuild: Rebuild) -> bool:
        """Whether the image is built."""
        if rebuild is Rebuild.ALL or not self.exists:
            return True
        return rebuild is Rebuild.CHANGED and bool(self.stale) and not self.foreign

    def replaces(self, running: BuildRecord | None, rebuild: Rebuild) -> bool:
        """Whether a container that was started from `running` is older than the image after the build."""
        if not self.is_built(rebuild):
            return build_record.differs(running, self.record)
        return running is None or running.inputs != self.inputs or self.stale not in ("", FILES, UNKNOWN)


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """The images of all enabled services, without duplicates."""

    images: tuple[ImagePlan, ...]

    def built(self, rebuild: Rebuild) -> list[ImagePlan]:
        """The images that are built."""
        return [image for image in self.images if image.is_built(rebuild)]

    def of(self, service: str) -> ImagePlan | None:
        """The plan for a service's image."""
        return next((image for image in self.images if image.service == service), None)

    @property
    def recorded(self) -> BuildRecord:
        """What the existing images were built from, for those that are added or rebuilt."""
        found = [image.record for image in self.images if image.record and not image.foreign]
        return next(iter(found), BuildRecord("", "", ""))

    def remarks(self, rebuild: Rebuild) -> list[str]:
        """Why existing images are rebuilt, or kept although they are out of date. One line for each reason."""
        if rebuild is Rebuild.ALL:
            return []
        stale = [image for image in self.images if image.stale]
        built = [image for image in stale if image.is_built(rebuild)]
        kept = [image for image in stale if not image.is_built(rebuild)]
        return [
            *(f"{names}: rebuilding, {why}" for names, why in grouped(built)),
            *(
                f"{names}: not rebuilt, although {why}; to rebuild: make images"
                for names, why in grouped(kept)
            ),
        ]


def grouped(images: Sequence[ImagePlan]) -> list[tuple[str, str]]:
    """The services and the reason, for each reason."""
    found: dict[str, list[str]] = {}
    for image in images:
        found.setdefault(image.stale, []).append(image.service)
    return [(", ".join(names), plural(why) if len(names) > 1 else why) for why, names in found.items()]


def plural(why: str) -> str:
    """The reason for several images."""
    return why.replace("its ", "their ").replace("base image ", "base images ").replace("it has", "they have")


@dataclass(frozen=True, slots=True)
class Current:
    """What images would be built from now. `setting` is BASE_IMAGE, if it is set; `image` finds the engine's images."""

    topology: Topology
    inputs: BuildInputs
    setting: str
    cuda: bool
    image: Callable[[str], LocalImage | None]

    def digest(self, service: str, cuda: bool) -> str:
        """The digest of a service's files. The base image is compared separately."""
        build = self.topology.builds[service]
        args = {**build.args, "BASE_IMAGE": self.topology.default_base_image}
        if service == GPU_SERVICE:
            args["GPU_BUILD"] = "cuda" if cuda else "cpu"
        return self.inputs.digest(replace(build, args=args))


def plan(engine: DockerEngine, context: Context) -> BuildPlan:
    """Compare the engine's images with the checkout."""
    topology = context.topology
    setting = topology.base_image if topology.base_image != topology.default_base_image else ""
    cuda = (context.settings.get("GPU_BUILD") or ("cuda" if engine.gpu_overlay() else "cpu")) == "cuda"
    current = Current(topology, BuildInputs(context.root), setting, cuda, cache(engine.image))
    services = {name: service for service, name in topology.images.items()}  # two services may share an image
    return BuildPlan(tuple(image_plan(service, name, current) for name, service in services.items()))


def image_plan(service: str, name: str, current: Current) -> ImagePlan:
    """Compare one image with the checkout. An image with CUDA is also good enough where it is not needed."""
    found = current.image(name)
    labels = found.labels if found else {}
    built = labels.get(GPU_LABEL, "") if service == GPU_SERVICE else ""
    inputs = current.digest(service, current.cuda or built == "cuda")
    if not found:
        return ImagePlan(service, name, inputs, exists=False)
    record = build_record.read(labels)
    why = NO_CUDA if current.cuda and built == "cpu" else staleness(name, record, inputs, current)
    return ImagePlan(service, name, inputs, True, record, why, is_foreign(name, record))


def staleness(name: str, record: BuildRecord | None, inputs: str, current: Current) -> str:
    """Why an existing image is out of date, or "" if it is not, or if that can't be known."""
    if record is None:
        return UNKNOWN if name.startswith(OURS) else ""
    if record.inputs != inputs:
        return FILES
    if current.setting not in ("", record.base):
        return SETTING
    base = current.image(record.base)
    return BASE if base and record.base_id and base.id != record.base_id else ""


def is_foreign(name: str, record: BuildRecord | None) -> bool:
    """Whether the image may be a registry's, so that others use it too, or one that the user derived or tagged."""
    host, slash, _ = name.partition("/")
    if slash and (host == "localhost" or "." in host or ":" in host):
        return True
    return not name.startswith(OURS) and (record is None or record.image != name)
