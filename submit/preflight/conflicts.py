"""Check that a package pinned by the job suits the cluster's packages, which stay next to it.

pip installs a job's dependencies into an environment on top of the image. It replaces the pinned package there, and
leaves those that depend on it: they fail when they are imported. A general rule, from what the image's packages say
that they require.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raydock.jobscript.dependencies import applies, fits, missing, name_of, requirement
from raydock.jobscript.reach import Reach
from raydock.rayapi.cluster_info import ClusterInfo

from ..findings import Finding, ok
from ..plan import JobPlan
from .analysis import distributions
from .analysis.modules import dotted
from .certainty import finding_for

if TYPE_CHECKING:
    from packaging.requirements import Requirement

RAY = "ray"  # imported by every job


@dataclass(frozen=True, slots=True)
class PinConflict:
    """A pin, and a package of the cluster with a requirement that the pin does not meet."""

    pin: Requirement
    package: str
    required: str  # a specifier


def check_conflicts(plan: JobPlan, facts: ClusterInfo) -> Iterable[Finding]:
    """Check every exact pin: DENIED if the script imports a package that it breaks."""
    used = reaches(plan)
    for one in conflicts(plan.header.dependencies, facts):
        text = (
            f"{one.pin} replaces {name_of(one.pin)} {facts.packages.get(name_of(one.pin), '')} for the job, but the "
            f"cluster's {one.package} {facts.packages.get(one.package, '')}, which stays, requires "
            f"{name_of(one.pin)}{one.required}."
        )
        fix = (
            f"in the header of {plan.name}: pin {name_of(one.pin)}{one.required}, or also declare a version of "
            f"{one.package} that accepts {one.pin}"
        )
        if one.package in used:
            yield finding_for(max(used[one.package], Reach.CONDITIONAL), "dependencies", text, fix)
        else:
            yield ok("dependencies", f"{text} {plan.name} does not import it.")


def conflicts(dependencies: tuple[str, ...], facts: ClusterInfo) -> Iterator[PinConflict]:
    """Every pin that a package of the cluster rejects, unless the job installs that package as well."""
    installed = [requirement(text) for text in missing(dependencies, facts.packages, facts.python)]
    names = {name_of(one) for one in installed}
    for pin in installed:
        version = pinned_version(pin)
        for package, texts in facts.requires.items() if version else ():
            if package in names:
                continue
            for wanted in readable(texts):
                known = name_of(wanted) == name_of(pin) and applies(wanted, facts.python)
                if known and not fits(str(wanted.specifier), version):
                    yield PinConflict(pin, package, str(wanted.specifier))


def readable(texts: Iterable[str]) -> Iterator[Requirement]:
    """The requirements that are valid; a package may have been built with an invalid one."""
    from packaging.requirements import InvalidRequirement

    for text in texts:
        with suppress(InvalidRequirement):
            yield requirement(text)


def pinned_version(pin: Requirement) -> str:
    """The only version that a requirement allows; "" if it allows several."""
    exact = [one for one in pin.specifier if one.operator in ("==", "===") and not one.version.endswith("*")]
    return exact[0].version if exact else ""


def reaches(plan: JobPlan) -> Mapping[str, Reach]:
    """How certainly the job imports each package. Every job imports Ray."""
    found = {RAY: Reach.ALWAYS}
    for _, one in plan.imports:
        for package in distributions.packages_of(dotted(one)):
            found[package] = max(found.get(package, one.reach), one.reach)
    return found
