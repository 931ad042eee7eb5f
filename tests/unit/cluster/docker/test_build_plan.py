"""Which images are built: missing ones, changed ones, and never the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from cluster.build.inputs import BuildInputs
from cluster.docker import build_plan, build_record
from cluster.docker.build_plan import BuildPlan
from cluster.docker.build_record import LABEL, BuildRecord
from cluster.docker.engine import DockerEngine, LocalImage
from cluster.runtimes import Context, Rebuild
from raydock import topology
from raydock.settings import ROOT

INPUTS = BuildInputs(ROOT)


class FakeEngine:
    """Has these images, with these labels."""

    def __init__(self, images: Mapping[str, LocalImage], nvidia: bool = False) -> None:
        self.images, self.nvidia = images, nvidia

    def gpu_overlay(self) -> str:
        return "compose.gpu.yaml" if self.nvidia else ""

    def image(self, name: str) -> LocalImage | None:
        return self.images.get(name)


def context(**settings: str) -> Context:
    return Context(ROOT, Path("state"), settings, topology.load(ROOT, settings), lambda line: None)


def fresh(found: Context, cuda: bool = False) -> dict[str, BuildRecord]:
    """What every image would be built from now, by name."""
    made = {}
    for service, name in found.topology.images.items():
        build = found.topology.builds[service]
        args = {**build.args, "BASE_IMAGE": found.topology.default_base_image}
        if service == "gpu-worker":
            args["GPU_BUILD"] = "cuda" if cuda else "cpu"
        made[name] = BuildRecord(name, INPUTS.digest(replace(build, args=args)), "base:1", "id-1")
    return made


def plan(
    found: Context, records: Mapping[str, BuildRecord], gpu: str = "cpu", nvidia: bool = False
) -> BuildPlan:
    labels = {
        name: {LABEL: record.as_label(), **({"raydock.gpu-build": gpu} if "gpu-worker" in name else {})}
        for name, record in records.items()
    }
    images = {name: LocalImage("1", found) for name, found in labels.items()} | {
        "base:1": LocalImage("id-1", {})
    }
    return build_plan.plan(cast(DockerEngine, FakeEngine(images, nvidia)), found)


def built(found: BuildPlan, rebuild: Rebuild = Rebuild.CHANGED) -> list[str]:
    return [image.service for image in found.built(rebuild)]


ALL = ["head", "cpu-worker", "gpu-worker", "cloud"]


def test_nothing_is_built_if_nothing_changed() -> None:
    found = plan(context(), fresh(context()))
    assert (built(found), found.remarks(Rebuild.CHANGED)) == ([], [])
    assert built(found, Rebuild.ALL) == ALL


def test_missing_images_are_built_without_a_remark() -> None:
    records = fresh(context())
    del records["raydock/head:2.47.1"]
    found = plan(context(), records)
    assert built(found) == built(found, Rebuild.MISSING) == ["head"]
    assert found.remarks(Rebuild.CHANGED) == []


def test_changed_images_are_rebuilt_and_the_reason_is_one_line() -> None:
    records = fresh(context())
    for service in ("head", "cloud"):
        name = f"raydock/{service}:2.47.1"
        records[name] = replace(records[name], inputs="other")
    found = plan(context(), records)
    assert built(found) == ["head", "cloud"]
    assert found.remarks(Rebuild.CHANGED) == ["head, cloud: rebuilding, their files changed"]
    assert built(found, Rebuild.MISSING) == []
    assert found.remarks(Rebuild.MISSING) == [
        "head, cloud: not rebuilt, although their files changed; to rebuild: make images"
    ]


@pytest.mark.parametrize(
    ("records", "settings", "why"),
    [
        ({"base_id": "id-0"}, {}, "its base image changed"),
        ({"base": "gone:1", "base_id": "id-0"}, {}, ""),  # the builder has it, but not the engine
        ({"base_id": ""}, {}, ""),
        ({}, {"BASE_IMAGE": "mine:1"}, "BASE_IMAGE changed"),
        ({"base": "mine:1", "setting": "mine:1"}, {"BASE_IMAGE": "mine:1"}, ""),
        ({"base": "mine:1", "setting": "mine:1"}, {}, ""),  # BASE_IMAGE=mine:1 make images; make cluster-up
    ],
)
def test_the_base_image(records: dict[str, str], settings: dict[str, str], why: str) -> None:
    found = context(**settings)
    made = {name: replace(record, **records) for name, record in fresh(found).items() if "/cloud" in name}
    image = plan(found, made).of("cloud")
    assert image
    assert image.stale == why


@pytest.mark.parametrize(
    ("nvidia", "gpu", "setting", "again"),
    [
        (False, "cpu", "", False),
        (True, "cpu", "", True),  # the NVIDIA runtime was installed after the image was built
        (True, "cuda", "", False),
        (False, "cuda", "", False),
        (True, "cpu", "cpu", False),
        (False, "cpu", "cuda", True),
    ],
)
def test_the_gpu_image_is_rebuilt_if_it_lacks_the_requested_cuda(
    nvidia: bool, gpu: str, setting: str, again: bool
) -> None:
    found = context(GPU_BUILD=setting)
    made = plan(found, fresh(found, gpu == "cuda"), gpu, nvidia)
    assert built(made) == ["gpu-worker"] * again
    assert made.remarks(Rebuild.CHANGED) == ["gpu-worker: rebuilding, it has no CUDA"] * again


@pytest.mark.parametrize(
    ("prefix", "recorded", "expected"),
    [
        ("raydock", "raydock", ALL),
        ("mine", "mine", ALL),
        ("mine", "raydock", []),  # derived from our image, or tagged by the user
        ("europe-docker.pkg.dev/p/r", "europe-docker.pkg.dev/p/r", []),
        ("localhost:5000/lab", "localhost:5000/lab", []),
    ],
)
def test_images_that_may_not_be_ours_are_kept(prefix: str, recorded: str, expected: list[str]) -> None:
    found = context(RAYDOCK_IMAGE_PREFIX=prefix)
    records = {
        name: replace(record, inputs="other", image=name.replace(prefix, recorded))
        for name, record in fresh(found).items()
    }
    made = plan(found, records)
    assert built(made) == expected
    verb = "rebuilding, their files changed"
    kept = "not rebuilt, although their files changed; to rebuild: make images"
    assert made.remarks(Rebuild.CHANGED) == [f"{', '.join(ALL)}: {verb if expected else kept}"]
    assert built(made, Rebuild.ALL) == ALL


@pytest.mark.parametrize(("prefix", "expected"), [("raydock", ALL), ("mine", [])])
def test_images_without_a_label(prefix: str, expected: list[str]) -> None:
    found = context(RAYDOCK_IMAGE_PREFIX=prefix)
    images = {name: LocalImage("1", {}) for name in found.topology.images.values()}
    made = build_plan.plan(cast(DockerEngine, FakeEngine(images)), found)
    assert built(made) == expected
    assert made.remarks(Rebuild.CHANGED) == (
        [f"{', '.join(ALL)}: rebuilding, their files are not recorded"] if expected else []
    )


def test_a_container_is_replaced_if_its_image_changes() -> None:
    record = fresh(context())["raydock/cloud:2.47.1"]
    old = replace(record, inputs="other")
    now = plan(context(), {"raydock/cloud:2.47.1": record}).of("cloud")
    stale = plan(context(), {"raydock/cloud:2.47.1": old}).of("cloud")
    gone = plan(context(), {}).of("cloud")
    assert now
    assert stale
    assert gone
    for image in (now, stale, gone):
        assert image.replaces(old, Rebuild.CHANGED)
        assert not image.replaces(record, Rebuild.CHANGED)
    assert not stale.replaces(old, Rebuild.MISSING)
    assert now.replaces(None, Rebuild.CHANGED), "it was started from an unlabelled image"


def test_the_record_survives_its_label() -> None:
    record = BuildRecord("a", "b", "c", "d", "e")
    assert build_record.read({LABEL: record.as_label()}) == record
    for label in ("", "{}", "[]", '{"image": 1, "more": 2}'):
        assert build_record.read({LABEL: label}) is None
