"""The digest of an image's files: it changes with what the image contains, and with nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

from cluster.build.inputs import BuildInputs
from raydock import topology
from raydock.settings import ROOT
from raydock.topology import Build

SETTINGS = {"COMPOSE_PROFILES": "vertex,notebook"}
BUILDS = topology.load(ROOT, SETTINGS).builds


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the images are built from."""
    root = tmp_path_factory.mktemp("checkout")
    for name in (".dockerignore", "docker", "requirements", "raydock", "iam", "cloud", "kuberay"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    return root


def digests(root: Path, builds: Mapping[str, Build] = BUILDS) -> dict[str, str]:
    inputs = BuildInputs(root)
    return {service: inputs.digest(build) for service, build in builds.items()}


NODES = ["head", "cpu-worker", "gpu-worker", "notebook"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("cloud/server.py", ["cloud", "vertex"]),
        ("raydock/units.py", ["cloud", "vertex"]),
        ("docker/node.py", NODES),
        ("docker/health.py", [*NODES, "cloud", "vertex"]),
        ("docker/gcloud", ["notebook"]),
        ("requirements/image.txt", NODES),
        ("requirements/vertex.txt", ["vertex"]),
        ("requirements/gpu.txt", []),  # only with GPU_BUILD=cuda
        ("requirements/image.in", []),
        ("iam/lab.yaml", []),  # mounted
        ("iam/lab-mine.yaml", []),
        ("cloud/__pycache__/x.pyc", []),
        ("cloud/storage/store/__pycache__/x.pyc", []),
        ("cloud/new.py", ["cloud", "vertex"]),
        ("compose.yaml", []),
    ],
)
def test_a_change_concerns_only_the_images_that_contain_the_file(
    checkout: Path, path: str, expected: list[str]
) -> None:
    before, file = digests(checkout), checkout / path
    content = file.read_bytes() if file.exists() else None
    file.parent.mkdir(exist_ok=True)
    file.write_bytes((content or b"") + b"\n# changed\n")
    try:
        after = digests(checkout)
    finally:
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
    assert sorted(name for name in after if after[name] != before[name]) == sorted(expected)
    assert digests(checkout) == before


def test_the_files_are_those_of_the_build_context(checkout: Path) -> None:
    """The docker package computes the context as a build does, but takes too long for every `cluster up`."""
    lines = [
        line for line in (checkout / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    context = {path for path in exclude_paths(str(checkout), lines) if (checkout / path).is_file()}
    folders = ("docker", "requirements", "raydock", "iam", "cloud", "kuberay")
    found = {path for folder in folders for path in BuildInputs(checkout).files(folder)}
    assert found == context - {".dockerignore"}


def test_a_dockerfile_counts_by_stage_and_without_comments(checkout: Path) -> None:
    before, file = digests(checkout), checkout / "docker" / "Dockerfile"
    text = file.read_text()
    try:
        file.write_text(text.replace("# Stages", "# The stages"))
        assert digests(checkout) == before
        file.write_text(text.replace("EXPOSE 8888", "EXPOSE 8889"))
        after = digests(checkout)
    finally:
        file.write_text(text)
    assert [name for name in after if after[name] != before[name]] == ["notebook"]


def test_a_build_argument_counts_only_where_it_is_used() -> None:
    changed = {
        name: Build(build.dockerfile, build.target, {**build.args, "GPU_BUILD": "cuda"})
        for name, build in BUILDS.items()
    }
    before, after = digests(ROOT), digests(ROOT, changed)
    assert [name for name in after if after[name] != before[name]] == ["gpu-worker"]
