"""Scripts as people write them are sent, or rejected with the true reason: see tests/scripts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from cluster.processes.loopback import DOCKER, module
from submit import cli
from tests.command import ROOT, environment, submit
from tests.fakes import FakeDashboard, node
from tests.lab import Lab
from tests.scripts import Script, lessons, of_ray, written

OURS = written()
ALL = [*OURS, *lessons(), *of_ray()]
FINDING = re.compile(r"^ *(DENIED|UNKNOWN) +(\S+) +(.*)$", re.MULTILINE)
SECRET = "hf_" + "Zq7Lw2Rt9Kx4" * 3
HERE = "tests/contract/test_scripts.py::test_it_is_sent_or_rejected_with_the_true_reason"


@pytest.fixture(scope="module")
def cluster() -> Iterator[FakeDashboard]:
    """As the head of the containers tells of itself: the packages of its lock, by the text that runs there."""
    nodes = module(DOCKER / "description.py")
    names = re.findall(r"^([\w.-]+)(?:\[|==)", (ROOT / "requirements/image.txt").read_text(), re.MULTILINE)
    locked = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    packages = {re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(): one for one in metadata.distributions()}
    with FakeDashboard() as fake:
        fake.packages = {name: one.version for name, one in packages.items() if name in locked}
        fake.modules = sorted(
            {module for name in fake.packages for module in nodes.modules_of(packages[name])}
        )
        fake.nodes = [
            at(2, node("head", head=True)),
            *(at(n, node("cpu-worker", CPU=1)) for n in (3, 4)),
            at(5, node("gpu-worker", CPU=1, GPU=1, simulated_gpu=1)),
        ]
        yield fake


def at(number: int, told: dict[str, Any]) -> dict[str, Any]:
    """A node with an address, as Ray tells of it."""
    told["resources_total"][f"node:172.28.0.{number}"] = 1.0
    return told


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "state"))
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("RAY_")]:
        monkeypatch.delenv(name)


def placed(script: Script, folder: Path) -> Path:
    """The script: an example of the wheel in a folder of its own, as one that was downloaded."""
    if not script.name.startswith("tune/"):
        return script.path
    return Path(shutil.copy(script.path, folder))


def compare(script: Script, err: str) -> None:
    """Is what was said what is true?"""
    findings = FINDING.findall(err)
    refused = [(verdict, check, words) for verdict, check, words in script.said if not verdict]
    for _, _, words in refused:
        assert words in err
    expected = [one for one in script.said if one not in refused]
    assert len(findings) == len(expected) or refused, err
    for verdict, check, words in expected:
        assert any((v, c) == (verdict, check) and words in text for v, c, text in findings), err


@pytest.mark.parametrize("script", [one for one in ALL if not one.where], ids=lambda one: one.name)
def test_it_is_sent_or_rejected_with_the_true_reason(
    script: Script, cluster: FakeDashboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = placed(script, tmp_path)
    monkeypatch.chdir(path.parent)
    for name in script.environment:
        monkeypatch.setenv(name, SECRET)
    before = len(cluster.jobs), len(cluster.stored)
    words = ["--address", cluster.url, "--skip-check=storage", "--no-wait"]  # a fake has no storage
    code = cli.main([*words, *script.options, path.name, "--", *script.arguments])
    err = capfd.readouterr().err
    if script.runs:
        assert (code, [one for one in FINDING.findall(err) if one[1] != "storage"]) == (0, []), err
        assert len(cluster.jobs) == before[0] + 1
    else:
        assert code in (2, 3), err
        assert (len(cluster.jobs), len(cluster.stored)) == before
        compare(script, err)


def test_there_are_enough_of_both_kinds() -> None:
    assert len(ALL) >= 60
    assert sum(one.runs for one in ALL) >= 40
    assert len({one.name for one in ALL}) == len(ALL)
    for one in OURS:
        text = one.path.read_bytes()
        assert one.runs or b"# truth: " in text, f"{one.name} says what would happen"


@pytest.mark.docker
@pytest.mark.nightly(HERE)
@pytest.mark.parametrize("script", [*OURS, *of_ray()], ids=lambda one: one.name)
def test_on_a_cluster_it_succeeds_or_is_rejected(script: Script, docker_lab: Lab, tmp_path: Path) -> None:
    path = placed(script, tmp_path)
    env = environment(**docker_lab.reach, **dict.fromkeys(script.environment, SECRET))
    if script.needs:
        fed = submit(ROOT / "jobs" / f"{script.needs}.py", "--", "--smoke-test", env=env)
        assert fed.code == 0, fed.err
    done = submit(*script.options, path, "--", *script.arguments, env=env, cwd=path.parent)
    if script.runs:
        assert done.code == 0, done.out + done.err
    else:
        assert done.code in (2, 3), done.out + done.err
        compare(script, done.err)
