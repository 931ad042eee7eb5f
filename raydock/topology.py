"""The topology in compose.yaml, as values. The only reader of that file, for every kind of cluster."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from raydock import units
from raydock.compose.interpolation import interpolate
from raydock.errors import UsageError

T = TypeVar("T")
NAME = re.compile(r"\$\{?(\w+)")


@dataclass(frozen=True, slots=True)
class Pool:
    """A set of identical nodes: one service in compose.yaml with an x-vertex block."""

    name: str
    image: str
    nodes: int
    cpus: int
    gpus: int
    memory: int  # bytes, for the whole node
    shm: int  # bytes of `memory` for the object store
    vertex: Mapping[str, object]  # its machine on Vertex AI


@dataclass(frozen=True, slots=True)
class Build:
    """How an image is built: the Dockerfile, the stage, and the build arguments."""

    dockerfile: str
    target: str
    args: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Topology:
    """The cluster's pools, images and address."""

    project: str
    port: int  # of the dashboard, on 127.0.0.1
    pools: tuple[Pool, ...]
    images: Mapping[str, str]  # keyed by service, for images that are built here
    base_image: str
    ca_bundle: str
    gpu_build: str = "cpu"  # or "cuda", the default of compose.gpu.yaml
    cloud: int = 0  # the memory of the lab's cloud, in bytes
    others: int = 0  # the memory of the other services that are started, in bytes
    default_base_image: str = ""
    default_ca_bundle: str = ""
    builds: Mapping[str, Build] = field(
        default_factory=dict
    )  # how each of `images` is built, keyed by service

    @property
    def dashboard(self) -> str:
        """The dashboard's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def head(self) -> Pool:
        """The head node's pool."""
        return next(pool for pool in self.pools if pool.name == "head")

    @property
    def workers(self) -> tuple[Pool, ...]:
        """All pools except the head's."""
        return tuple(pool for pool in self.pools if pool.name != "head")

    def pool(self, name: str) -> Pool:
        """The worker pool with that name. Raises UsageError for unknown names and for the head, which can't scale."""
        found = next((pool for pool in self.workers if pool.name == name), None)
        if found:
            return found
        names = [pool.name for pool in self.workers]
        if name == "head":
            problem = "The head is always one node; it can't be scaled."
        else:
            close = difflib.get_close_matches(name, names, n=1)
            problem = f"There is no worker pool {name}." + (f" Did you mean {close[0]}?" if close else "")
        raise UsageError(
            problem, f"Worker pools: {', '.join(names)}. Example: python -m cluster scale {names[0]}=3"
        )


def wanted(body: Mapping[str, Any], settings: Mapping[str, str]) -> bool:
    """Whether a service is started: it has no profiles, or COMPOSE_PROFILES contains one of its profiles."""
    profiles = set(body.get("profiles", ()))
    return not profiles or bool(profiles & set(settings.get("COMPOSE_PROFILES", "").split(",")))


def load(root: Path, settings: Mapping[str, str]) -> Topology:
    """Read compose.yaml. Raises UsageError with the name of an invalid setting."""
    import yaml

    document = yaml.safe_load((root / "compose.yaml").read_text(encoding="utf-8"))
    services: dict[str, dict[str, Any]] = document["services"]
    fields = Fields(settings)
    head = services["head"]
    return Topology(
        project=fields.get(document["name"], "the project name", project_name),
        port=fields.get(
            services["cloud"]["ports"][0].rpartition(":")[0].partition(":")[2], "the dashboard's port", port
        ),
        pools=tuple(read_pool(name, body, fields) for name, body in services.items() if "x-vertex" in body),
        images={
            name: fields.get(body["image"], f"the image of {name}", str)
            for name, body in services.items()
            if "build" in body and wanted(body, settings)
        },
        base_image=fields.get(head["build"]["args"]["BASE_IMAGE"], "the base image", str),
        gpu_build=fields.get(
            services["gpu-worker"]["build"]["args"]["GPU_BUILD"],
            "the GPU worker's build",
            gpu_build,
        ),
        ca_bundle=fields.get(document["secrets"]["ca_bundle"]["file"], "the CA bundle", str),
        default_base_image=interpolate(str(head["build"]["args"]["BASE_IMAGE"]), {}),
        default_ca_bundle=interpolate(str(document["secrets"]["ca_bundle"]["file"]), {}),
        cloud=fields.get(services["cloud"]["mem_limit"], "the memory of the lab's cloud", size),
        others=sum(
            fields.get(body["mem_limit"], f"the memory of {name}", size)
            for name, body in services.items()
            if "x-vertex" not in body and name != "cloud" and wanted(body, settings)
        ),
        builds={
            name: read_build(name, body["build"], fields)
            for name, body in services.items()
            if "build" in body and wanted(body, settings)
        },
    )


def read_build(name: str, build: Mapping[str, Any], fields: Fields) -> Build:
    """How a service's image is built, from its `build` in compose.yaml."""
    args = {arg: fields.get(value, f"{arg} of {name}", str) for arg, value in build["args"].items()}
    return Build(build["dockerfile"], build["target"], args)


def read_pool(name: str, service: Mapping[str, Any], fields: Fields) -> Pool:
    """One pool, from its service in compose.yaml. Raises UsageError."""
    environment = service.get("environment", {})
    replicas = service.get("deploy", {}).get("replicas", 1)
    return Pool(
        name=name,
        image=fields.get(service["image"], f"the image of {name}", str),
        nodes=fields.get(replicas, f"the number of {name} nodes", whole),
        cpus=fields.get(environment.get("RAYDOCK_CPUS", 0), f"the number of CPUs per {name}", whole),
        gpus=fields.get(environment.get("RAYDOCK_GPUS", 0), f"the number of GPUs per {name}", whole),
        memory=fields.get(service["mem_limit"], f"the memory of {name}", size),
        shm=fields.get(service["shm_size"], f"the shared memory of {name}", size),
        vertex=MappingProxyType(dict(service["x-vertex"])),
    )


@dataclass(frozen=True, slots=True)
class Fields:
    """Reads single fields: templates such as ${CPU_WORKERS:-2}, first interpolated and then parsed."""

    settings: Mapping[str, str]

    def get(self, template: object, what: str, parse: Callable[[str], T]) -> T:
        """The parsed value of a field. Raises UsageError if `parse` raises ValueError."""
        text = interpolate(str(template), self.settings)
        try:
            return parse(text)
        except ValueError as error:
            name = "".join(NAME.findall(str(template))[:1]) or "compose.yaml"
            raise UsageError(
                f"{name}={text}: {what} must be {error}.",
                f"Change {name} in the environment or in .env; .env.example shows the default.",
            ) from None


def whole(text: str) -> int:
    """An integer from 0 to 9999. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise ValueError("a whole number from 0 to 9999")
    return int(text)


def port(text: str) -> int:
    """A TCP port. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError("a number from 1 to 65535")
    return int(text)


def size(text: str) -> int:
    """Bytes, from a size in Docker's notation: 900m, 3g, 1.5gb. Raises ValueError."""
    try:
        return units.size(text)
    except ValueError:
        raise ValueError("a size such as 900m or 3g") from None


def gpu_build(text: str) -> str:
    """The GPU worker's build: cpu or cuda. Raises ValueError."""
    if text not in ("cpu", "cuda"):
        raise ValueError("cpu or cuda")
    return text


def project_name(text: str) -> str:
    """A valid Compose project name. Raises ValueError."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", text):
        raise ValueError("made of lowercase letters, digits, - and _")
    return text


def pool_size(text: str) -> tuple[str, int]:
    """Parse "cpu-worker=3" into ("cpu-worker", 3). Raises UsageError."""
    name, equals, count = text.partition("=")
    if not (name and equals and count.isascii() and count.isdigit() and len(count) < 4):
        raise UsageError(
            f"{text!r} is not in the form POOL=COUNT, with a COUNT from 0 to 999.",
            "Example: python -m cluster scale cpu-worker=3",
        )
    return name, int(count)
