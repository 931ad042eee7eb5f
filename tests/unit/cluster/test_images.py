"""The base image, and the trusted CA certificates."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from cluster.docker import images
from cluster.docker.build_record import BuildRecord
from cluster.docker.engine import DockerEngine, LocalImage
from cluster.errors import NoRegistry
from cluster.runtimes import Context
from raydock import topology
from raydock.errors import CommandFailed
from raydock.settings import ROOT

PUBLIC = topology.load(ROOT, {}).base_image


class FakeEngine:
    """Has the given images, and can pull others only if `pulls` is set."""

    def __init__(self, has: Sequence[str] = (), pulls: bool = False) -> None:
        self.has, self.pulls = has, pulls

    def image(self, name: str) -> LocalImage | None:
        return LocalImage("1", {}) if name in self.has else None

    def require_pullable(self, image: str) -> None:
        if not self.pulls:
            raise NoRegistry(f"Cannot pull the image {image}: no route to host.", "fix")


def base(engine: FakeEngine, context: Context) -> str:
    return images.base_image(cast(DockerEngine, engine), context)


@pytest.fixture
def said() -> list[str]:
    return []


def context(said: list[str], **settings: str) -> Context:
    return Context(ROOT, Path("state"), settings, topology.load(ROOT, settings), said.append)


def with_base_script(root: Path, line: str, found: Context) -> Context:
    """The context of a checkout whose docker/base.sh runs `line`."""
    (root / "docker").mkdir()
    script = root / "docker" / "base.sh"
    script.write_text(f"#!/bin/sh\n{line}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (root / "compose.yaml").write_text((ROOT / "compose.yaml").read_text())
    return replace(found, root=root, state=root / "state")


def test_a_configured_base_image_is_used(said: list[str]) -> None:
    assert base(FakeEngine(), context(said, BASE_IMAGE="mine:1")) == "mine:1"


def test_the_public_base_image_if_it_is_local_or_can_be_pulled(said: list[str]) -> None:
    assert base(FakeEngine(has=[PUBLIC]), context(said)) == PUBLIC
    assert base(FakeEngine(pulls=True), context(said)) == PUBLIC
    assert said == []


@pytest.mark.parametrize(
    ("setting", "recorded", "expected"),
    [
        ("", BuildRecord("", "", "mine:1", setting="mine:1"), "mine:1"),  # BASE_IMAGE=mine:1 make images
        ("other:1", BuildRecord("", "", "mine:1", setting="mine:1"), "other:1"),
        ("", BuildRecord("", "", "raydock/base:bookworm"), "raydock/base:bookworm"),
        ("", BuildRecord("", "", "python:3.10"), PUBLIC),  # an earlier version's default
    ],
)
def test_a_rebuild_uses_the_same_base_image(
    said: list[str], setting: str, recorded: BuildRecord, expected: str
) -> None:
    engine = cast(DockerEngine, FakeEngine(has=["raydock/base:bookworm"], pulls=True))
    assert images.base_for(engine, context(said, BASE_IMAGE=setting), recorded) == expected
    assert said == []


def test_a_self_built_base_image_otherwise(said: list[str], tmp_path: Path) -> None:
    here = with_base_script(tmp_path, f'echo "$1" > {tmp_path}/built', context(said))
    assert base(FakeEngine(), here) == "raydock/base:bookworm"
    assert (tmp_path / "built").read_text() == "raydock/base:bookworm\n"
    assert said == [
        f"Cannot pull the image {PUBLIC}: no route to host. "
        "Using raydock/base:bookworm instead, which is built from Debian packages.",
        "building raydock/base:bookworm",
    ]


def test_a_base_script_that_fails(said: list[str], tmp_path: Path) -> None:
    with pytest.raises(CommandFailed) as caught:
        base(FakeEngine(), with_base_script(tmp_path, "echo 'base.sh: no root'; exit 7", context(said)))
    assert f"{caught.value.message}\n  {caught.value.fix}" == (
        "docker/base.sh raydock/base:bookworm failed with exit code 7:\n"
        "  | base.sh: no root\n"
        f"Full log: {tmp_path}/state/logs/base-image.log\n"
        "  Or set BASE_IMAGE to a Python 3.11 image that this machine has or can pull."
    )


def test_certificates(said: list[str], tmp_path: Path) -> None:
    for name in ("own.pem", "pip.pem", "requests.pem"):
        (tmp_path / name).touch()
    pip, requests = str(tmp_path / "pip.pem"), str(tmp_path / "requests.pem")
    own = context(said, RAYDOCK_CA_BUNDLE=str(tmp_path / "own.pem"))
    plain = context(said)
    assert images.ca_bundle(own, {"PIP_CERT": pip}) == (str(tmp_path / "own.pem"), "RAYDOCK_CA_BUNDLE")
    assert images.ca_bundle(plain, {"PIP_CERT": pip, "REQUESTS_CA_BUNDLE": requests}) == (pip, "PIP_CERT")
    assert images.ca_bundle(plain, {"PIP_CERT": "/gone", "REQUESTS_CA_BUNDLE": requests}) == (
        requests,
        "REQUESTS_CA_BUNDLE",
    )
    assert images.ca_bundle(plain, {}) == (plain.topology.ca_bundle, "compose.yaml")


def test_an_explicit_default_counts_as_unset(said: list[str], tmp_path: Path) -> None:
    """`.env.example` copied to `.env` sets every default."""
    (tmp_path / "pip.pem").touch()
    default = topology.load(ROOT, {}).ca_bundle
    found = context(said, RAYDOCK_CA_BUNDLE=default, BASE_IMAGE=PUBLIC)
    assert images.ca_bundle(found, {"PIP_CERT": str(tmp_path / "pip.pem")})[1] == "PIP_CERT"
    assert base(FakeEngine(pulls=True), found) == PUBLIC
