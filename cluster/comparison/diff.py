"""Compares the local cluster with one elsewhere, and decides whether each difference matters. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cluster.comparison.cluster_summary import ClusterSummary, PoolSummary
from cluster.comparison.job_needs import Needs
from raydock.jobscript.dependencies import SAME, requirement, satisfied

UNKNOWN = "unknown"  # the cluster does not report it
NONE = "-"


@dataclass(frozen=True, slots=True)
class Difference:
    """One row in the comparison. `matters` starts with yes, no or perhaps, followed by the reason."""

    what: str
    local: str
    other: str
    matters: str


def differences(
    local: ClusterSummary, other: ClusterSummary, needs: Needs | None, place: str
) -> list[Difference]:
    """All rows. Packages are included if they differ or if the job declares them. `place` is where the other runs."""
    found = [
        ray(local, other),
        python(local, other, needs),
        *pools(local.pools, other.pools, place),
        resource("worker CPUs", local.workers.cpus, other.workers.cpus, needs.cpus if needs else None, place),
        gpus(local.workers, other.workers, needs, place),
        *packages(local, other, needs),
    ]
    return found


def ray(local: ClusterSummary, other: ClusterSummary) -> Difference:
    """Compare the Ray versions."""
    if local.ray == other.ray:
        return Difference("Ray", local.ray, other.ray, "no: the same")
    if not other.ray or not local.ray:
        return Difference("Ray", local.ray or UNKNOWN, other.ray or UNKNOWN, "perhaps: not reported")
    return Difference("Ray", local.ray, other.ray, "yes: a job that runs here may fail there")


def python(local: ClusterSummary, other: ClusterSummary, needs: Needs | None) -> Difference:
    """Compare the Python versions with each other and with the job's `requires-python`."""
    here, there = local.python or UNKNOWN, other.python or UNKNOWN
    if needs and needs.python and other.python:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            fits = there in SpecifierSet(needs.python) or not full(there)
        except InvalidSpecifier:
            fits = True
        if not fits:
            return Difference("Python", here, there, f"yes: the job requires {needs.python}")
    if UNKNOWN in (here, there):
        return Difference("Python", here, there, "perhaps: not reported")
    if here.split(".")[:2] != there.split(".")[:2]:
        return Difference("Python", here, there, "yes: wheels and pickles are incompatible")
    return Difference(
        "Python", here, there, "no: the same" if here == there else "no: the same minor version"
    )


def full(version: str) -> bool:
    """Whether a version is MAJOR.MINOR.PATCH. MAJOR.MINOR alone can't be checked against every specifier."""
    return version.count(".") == 2


def pools(
    local: Mapping[str, PoolSummary], other: Mapping[str, PoolSummary], place: str
) -> Iterator[Difference]:
    """Compare each pool, starting with the head's."""
    for name in sorted({*local, *other}, key=lambda name: (name != "head", name)):
        here, there = local.get(name, PoolSummary()), other.get(name, PoolSummary())
        same = shape(here) == shape(there)
        verdict = "no: the same" if same else "perhaps: a different size"
        if not there.nodes:
            verdict = f"perhaps: {place} has none"
        yield Difference(name, shape(here), shape(there), verdict)


def shape(group: PoolSummary) -> str:
    """Describe a pool, for example "2 × 16 CPU 1 GPU". Its nodes are assumed to be identical."""
    if not group.nodes:
        return NONE
    each = f"{group.nodes} × {group.cpus / group.nodes:g} CPU"
    return f"{each} {group.gpus / group.nodes:g} GPU" if group.gpus else each


def resource(what: str, here: float, there: float, required: float | None, place: str) -> Difference:
    """Compare two amounts with each other and with the amount that the job needs."""
    if required is not None and there < required:
        verdict = f"yes: the job needs {required:g}"
    elif here == there:
        verdict = "no: the same"
    elif required is not None:
        verdict = f"no: the job needs {required:g}" if required else "no: the job declares no requirement"
    else:
        verdict = "perhaps: check with --job" if there < here else f"no: {place} has more"
    return Difference(what, f"{here:g}", f"{there:g}", verdict)


def gpus(here: PoolSummary, there: PoolSummary, needs: Needs | None, place: str) -> Difference:
    """Compare GPUs like other resources, except that simulated GPUs, which compute nothing, differ from real ones."""
    row = resource("worker GPUs", here.gpus, there.gpus, needs.gpus if needs else None, place)
    verdict = row.matters
    simulated = [where for group, where in ((here, "here"), (there, "there")) if group.simulated]
    if len(simulated) == 1 and here.gpus and there.gpus and not verdict.startswith("yes"):
        verdict = f"{'no' if needs and not needs.gpus else 'yes'}: simulated {simulated[0]}"
    return Difference(row.what, number(here), number(there), verdict)


def number(group: PoolSummary) -> str:
    """The number of GPUs, marked if they are simulated."""
    return f"{group.gpus:g} simulated" if group.simulated else f"{group.gpus:g}"


def packages(local: ClusterSummary, other: ClusterSummary, needs: Needs | None) -> Iterator[Difference]:
    """Compare packages, starting with those the job declares.

    If a cluster does not report its packages, one row covers all the others.
    """
    required = needs.dependencies if needs else {}
    for name, text in required.items():
        if name != "ray":
            yield declared(name, text, local, other)
    if not other.packages or not local.packages:
        here, there = (f"{len(f.packages)} known" if f.packages else UNKNOWN for f in (local, other))
        yield Difference("packages", here, there, "perhaps: not reported; declare what the job needs")
        return
    for name in sorted({*local.packages, *other.packages} - {*required, "ray"}):
        here, there = local.packages.get(name, NONE), other.packages.get(name, NONE)
        if here != there:
            yield Difference(name, here, there, undeclared(here, there, needs))


def undeclared(here: str, there: str, needs: Needs | None) -> str:
    """Decide whether a difference matters for a package that the job does not declare."""
    if needs:
        return (
            "perhaps: declare it if the job imports it"
            if there == NONE
            else "no: the job does not declare it"
        )
    return "perhaps: a job that uses it must declare it" if there == NONE else "perhaps: a job may use it"


def declared(name: str, text: str, local: ClusterSummary, other: ClusterSummary) -> Difference:
    """Compare a package from the job's header. If the cluster lacks it, submit installs it when the job starts."""
    here, there = version(name, local), version(name, other)
    if there == UNKNOWN:
        verdict = "no: installed at each job start if missing"
    elif satisfied(requirement(text), other.packages):
        verdict = "no: the same" if here == there else "no: it satisfies the header"
    else:
        verdict = "no: installed at each job start"
    return Difference(name, here, there, verdict)


def version(name: str, facts: ClusterSummary) -> str:
    """A package's version on a cluster, found by its name or alias. UNKNOWN if the cluster reports no packages."""
    if not facts.packages:
        return UNKNOWN
    return facts.packages.get(name) or facts.packages.get(SAME.get(name, "")) or NONE
