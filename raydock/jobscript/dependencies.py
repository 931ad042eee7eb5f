"""Finds the dependencies that must be installed on the cluster for the job."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from .ray_extras import EXTRAS, USUAL

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# Packages that provide the same module under another name, for machines without a GPU: the CPU nodes have
# `xgboost-cpu` (https://xgboost.readthedocs.io/en/stable/install.html#minimal-installation-cpu-only).
SAME = {"xgboost": "xgboost-cpu", "xgboost-cpu": "xgboost", "tensorflow": "tensorflow-cpu"}


def missing(dependencies: Sequence[str], packages: Mapping[str, str], python: str) -> tuple[str, ...]:
    """The dependencies that `packages` (name → version) does not satisfy. Ray is replaced by what its extras require.

    A runtime env can't install Ray: the preflight compares its version instead. If the cluster's packages are unknown,
    all dependencies are installed there.
    """
    found: dict[str, None] = {}
    for text in dependencies:
        one = requirement(text)
        if not applies(one, python):
            continue
        if name_of(one) == "ray":
            found |= dict.fromkeys(missing_of_ray(one.extras, packages))
        elif not satisfied(one, packages):
            found[text] = None
    return tuple(found)


def missing_of_ray(extras: Collection[str], packages: Mapping[str, str]) -> list[str]:
    """The requirements of Ray's extras that the cluster lacks."""
    asked = [
        one for extra in sorted(extras) if packages or extra not in USUAL for one in EXTRAS.get(extra, ())
    ]
    return [
        text
        for text, one in ((text, requirement(text)) for text in asked)
        if name_of(one) not in packages or not fits(str(one.specifier), packages[name_of(one)])
    ]


def wanted_ray(dependencies: Sequence[str]) -> str:
    """The Ray versions that the script requires, as a specifier; empty for any."""
    return ",".join(str(one.specifier) for one in map(requirement, dependencies) if name_of(one) == "ray")


def satisfied(wanted: Requirement, packages: Mapping[str, str]) -> bool:
    """Whether a matching version of the package is installed. Never true for extras or a URL."""
    name = name_of(wanted)
    have = packages.get(name) or packages.get(SAME.get(name, ""))
    if have is None or wanted.extras or wanted.url:
        return False
    return fits(str(wanted.specifier), have)


def fits(wanted: str, version: str) -> bool:
    """Whether a version matches a specifier. A version not in PEP 440's form matches only an empty specifier."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(wanted).contains(version, prereleases=True)
    except InvalidVersion:
        return not wanted


def applies(wanted: Requirement, python: str) -> bool:
    """Whether the requirement's marker holds on the cluster: Linux with the given Python version."""
    if wanted.marker is None:
        return True
    minor = ".".join(python.split(".")[:2])
    there = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": ""}
    if minor:
        there |= {
            "python_version": minor,
            "python_full_version": python if python.count(".") > 1 else minor + ".0",
        }
    return wanted.marker.evaluate(there)


def requirement(text: str) -> Requirement:
    """Parse a requirement, already validated when the header was read."""
    from packaging.requirements import Requirement

    return Requirement(text)


def name_of(wanted: Requirement) -> str:
    """The package's normalized name."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(wanted.name)
