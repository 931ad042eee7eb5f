"""What of a script's dependencies the cluster must still install for the job."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from .ray_extras import EXTRAS, USUAL

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# The same module, built for machines without a GPU, under another name: XGBoost's `xgboost-cpu` is what the
# CPU nodes hold (https://xgboost.readthedocs.io/en/stable/install.html#minimal-installation-cpu-only).
SAME = {"xgboost": "xgboost-cpu", "xgboost-cpu": "xgboost", "tensorflow": "tensorflow-cpu"}


def missing(dependencies: Sequence[str], packages: Mapping[str, str], python: str) -> tuple[str, ...]:
    """The dependencies that `packages` (name to version) does not satisfy; in Ray's place what its extras require.

    Ray can't be installed by a runtime env: the preflight compares its version instead. With nothing known of
    the cluster's packages all of them are installed there.
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
    """What Ray's extras require and the cluster lacks."""
    asked = [
        one for extra in sorted(extras) if packages or extra not in USUAL for one in EXTRAS.get(extra, ())
    ]
    return [
        text
        for text, one in ((text, requirement(text)) for text in asked)
        if name_of(one) not in packages or not fits(str(one.specifier), packages[name_of(one)])
    ]


def wanted_ray(dependencies: Sequence[str]) -> str:
    """The versions of Ray that the script asks for, as a specifier; empty for any."""
    return ",".join(str(one.specifier) for one in map(requirement, dependencies) if name_of(one) == "ray")


def satisfied(wanted: Requirement, packages: Mapping[str, str]) -> bool:
    """Whether a package of that name and a fitting version is there; an extra or a URL is never taken for granted."""
    name = name_of(wanted)
    have = packages.get(name) or packages.get(SAME.get(name, ""))
    if have is None or wanted.extras or wanted.url:
        return False
    return fits(str(wanted.specifier), have)


def fits(wanted: str, version: str) -> bool:
    """Whether a specifier takes that version. One in another form than PEP 440's fits only where any does."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(wanted).contains(version, prereleases=True)
    except InvalidVersion:
        return not wanted


def applies(wanted: Requirement, python: str) -> bool:
    """Whether the requirement's marker holds on the cluster, which is Linux with that Python."""
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
    """The parsed requirement; the header's reader has checked its form."""
    from packaging.requirements import Requirement

    return Requirement(text)


def name_of(wanted: Requirement) -> str:
    """The package's normalised name."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(wanted.name)
