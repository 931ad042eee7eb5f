"""One place for each version; any second place must agree with it."""

from __future__ import annotations

import ast
import re
import subprocess
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from raydock import versions
from raydock.jobscript import ray_extras

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kept = [ROOT / name for name in names.splitlines()]
    suffixes = {"", ".py", ".yaml", ".yml", ".toml", ".md", ".example", ".in", ".ipynb", ".sh"}
    return [path for path in kept if path.suffix in suffixes and path.is_file()]


def test_rays_version_is_that_of_image_in() -> None:
    asked = re.search(r"^ray\[.*\]==(\S+)$", (ROOT / "requirements/image.in").read_text(), re.MULTILINE)
    assert asked
    assert asked[1] == versions.RAY
    for lock in (ROOT / "requirements/image.txt", ROOT / "requirements/dev.txt"):
        assert f"\nray=={versions.RAY} " in lock.read_text(), lock.name


@pytest.mark.parametrize("path", ["docker/Dockerfile", "compose.yaml"])
def test_images_are_named_after_that_ray(path: str) -> None:
    found = re.findall(
        r"(?:RAY_VERSION=|/(?:head|cpu-worker|gpu-worker):)(\d+\.\d+\.\d+)", (ROOT / path).read_text()
    )
    assert found
    assert set(found) == {versions.RAY}


def test_python_is_the_same_everywhere() -> None:
    for path, pattern in [
        ("docker/Dockerfile", r"BASE_IMAGE=python:(\d+\.\d+)-"),
        ("compose.yaml", r"BASE_IMAGE:-python:(\d+\.\d+)-"),
        (".env.example", r"BASE_IMAGE=python:(\d+\.\d+)-"),
        ("requirements/install.py", r'PYTHON = "(\d+\.\d+)"'),
        ("requirements/lock", r"--python-version (3\.11) image.in"),
        (".github/workflows/ci.yml", r'python-version: "(\d+\.\d+)"'),
        (".github/workflows/nightly.yml", r'python-version: "(\d+\.\d+)"'),
        (".github/workflows/kubernetes.yml", r'python-version: "(\d+\.\d+)"'),
    ]:
        assert set(re.findall(pattern, (ROOT / path).read_text())) == {versions.PYTHON}, path


def test_both_locks_of_xgboost_hold_one_version() -> None:
    cpu = re.search(r"^xgboost-cpu==(\S+)", (ROOT / "requirements/image.txt").read_text(), re.MULTILINE)
    gpu = re.search(r"^xgboost==(\S+)", (ROOT / "requirements/gpu.txt").read_text(), re.MULTILINE)
    assert cpu
    assert gpu
    assert cpu[1] == gpu[1]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_have_hashes_and_name_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?://|--index|--extra-index|--find-links", text)
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        assert requirement.startswith("#") or "--hash=sha256:" in requirement, requirement.splitlines()[0]


def ray_versions(text: str) -> set[str]:
    """The Ray versions in a text, as MAJOR.MINOR or MAJOR.MINOR.PATCH; in an image's tag "-" separates them.

    A version is one that Vertex AI has had, with its patch, alone in quotes or on a line, or any that follows "ray".
    Elsewhere "2.42" may be a measured value.
    """
    known = "|".join(minor.replace(".", "[.-]") for minor in versions.ON_VERTEX_AI if minor != "2.9")
    patterns = [
        rf"(?<![\d-])(?<!\d\.)((?:{known})\.\d+)(?!\d|\.\d)",
        rf"(?m)(?:^|[\"'`])({known})(?:$|[\"'`])",
        rf"(?i)\bray\S{{0,20}}?[ =.:-]=?({known})(?!\d|\.\d)",
        r"(?i)\bray(?:\[[a-z,]*\])?[ =]=?(2\.\d+\.\d+)\b",
    ]
    return {version.replace("-", ".") for pattern in patterns for version in re.findall(pattern, text)}


def literals(source: str) -> str:
    """The strings of a Python module, one a line, without its docstrings."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose)
    return "\n".join(node.value for node in strings if isinstance(node.value, str))


def test_code_takes_rays_version_from_one_module() -> None:
    modules = [
        path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests"
    ]
    copies = [
        path.relative_to(ROOT).as_posix() for path in modules if ray_versions(literals(path.read_text()))
    ]
    assert copies == ["raydock/versions.py"]


def test_no_ray_but_ours_is_named_in_the_project() -> None:
    """Python modules may only name another one as data, which the test above confines to one module."""
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(("tests/", "bench/")) and name not in {"raydock/versions.py", "CHANGELOG.md"}:
            named = ray_versions(path.read_text(errors="replace"))
            assert named <= {versions.RAY, versions.RAY_MINOR}, path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('RAY = "2.47.1"', {"2.47.1"}),
        ("training/ray-cpu.2-47.py311:latest", {"2.47"}),
        ("raydock/head:2.42.0", {"2.42.0"}),
        ('"2.33"', {"2.33"}),
        ("requires Ray 2.42, or ray==2.33", {"2.33", "2.42"}),
        ("ray[default]==2.50.0", {"2.50.0"}),
        ("2.9 GiB, 2.42 s, 2.42, 12.47 s, 2.470 s, 1.2.47", set()),
    ],
)
def test_how_a_copy_of_rays_version_is_found(text: str, found: set[str]) -> None:
    assert ray_versions(text) == found


def test_rays_extras_are_those_of_that_ray() -> None:
    """What each extra adds to `ray[default]`, by the metadata of the installed Ray."""
    linux = {"sys_platform": "linux", "platform_machine": "x86_64", "python_version": "3.11"}
    wanted: dict[str, set[str]] = {extra: set() for extra in metadata("ray").get_all("Provides-Extra") or ()}
    for requirement in map(Requirement, requires("ray") or ()):
        for extra, found in wanted.items():
            marker = requirement.marker
            if (
                marker
                and not marker.evaluate({**linux, "extra": ""})
                and marker.evaluate({**linux, "extra": extra})
            ):
                extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
                found.add(f"{requirement.name}{extras}{requirement.specifier}")
    always = wanted["default"] | {"requests", "pyyaml", "jsonschema", "grpcio", "pandas"}
    for extra, listed in ray_extras.EXTRAS.items():
        assert set(listed) - {"pandas"} == wanted[extra] - always, extra
    assert set(wanted) - set(ray_extras.EXTRAS) == {"cpp", "all-cpp"}  # C++ headers, which no job needs
