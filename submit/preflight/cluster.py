"""Checks against the cluster: its Ray and Python versions, its resources and its disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raydock.jobscript.dependencies import fits, wanted_ray
from raydock.jobscript.header import Resources
from raydock.rayapi.cluster_info import ClusterInfo, Disk, NodeResources
from raydock.units import counted

from ..findings import Finding, denied, ok, unknown
from ..plan import JobPlan


def check_ray(plan: JobPlan, facts: ClusterInfo) -> Iterable[Finding]:
    """Check that the cluster runs the expected Ray version, and one that the script accepts."""
    wanted = wanted_ray(plan.header.dependencies)
    if plan.expects.ray and facts.ray != plan.expects.ray:
        yield denied(
            "ray",
            f"The cluster runs Ray {facts.ray}, but should run {plan.expects.ray}.",
            "make cluster-down images cluster-up",
        )
    elif wanted and not fits(wanted, facts.ray):
        yield denied(
            "ray",
            f"{plan.name} needs ray{wanted}; the cluster runs Ray {facts.ray}, and a job cannot install its own.",
            "change the script's dependencies, or submit it to a cluster with that Ray version",
        )
    else:
        yield ok("ray", f"Ray {facts.ray}")


def check_python(plan: JobPlan, facts: ClusterInfo) -> Iterable[Finding]:
    """Check that the cluster runs the expected Python version, and one that the script accepts."""
    wanted, expected = plan.header.requires_python, plan.expects.python
    minor = ".".join(facts.python.split(".")[:2])
    if expected and minor and minor != expected:
        yield denied(
            "python",
            f"The cluster runs Python {facts.python}, but should run {expected}.",
            "make cluster-down images cluster-up",
        )
    elif wanted and not minor:
        yield unknown(
            "python",
            f"{plan.name} needs Python {wanted}, but the cluster does not report its Python version.",
            "run `python -V` on its head node, then pass --skip-check",
        )
    elif wanted and not fits(wanted, facts.python):
        yield denied(
            "python",
            f"{plan.name} needs Python {wanted}; the cluster runs Python {facts.python}.",
            "change the script's requires-python, or submit it to a cluster with that Python version",
        )
    elif minor:
        yield ok("python", f"Python {facts.python}")


def check_resources(plan: JobPlan, facts: ClusterInfo) -> Iterable[Finding]:
    """Check that the entrypoint fits on one node, and that the cluster has what the job needs in total."""
    if facts.silent:
        asked = spelled(amounts(plan.header.needs) | amounts(plan.reserve))
        if asked:
            text = f"The cluster does not report its nodes' resources, so {asked} could not be checked: "
            yield unknown(
                "resources", text + facts.silent, "pass --skip-check if the cluster is large enough"
            )
        else:
            yield ok("resources", "the job requests none (the cluster does not report its nodes' resources)")
        return
    possible = (*facts.nodes, *facts.addable)
    short = [*too_much_for_a_node(plan, possible), *too_much_for_all(plan, possible)]
    yield from short
    if not short:
        workers = sum(1 for node in facts.nodes if not node.head)
        cpus = sum(node.resources.get("CPU", 0) for node in facts.nodes)
        gpus = sum(node.resources.get("GPU", 0) for node in facts.nodes)
        fake = sum(node.resources.get("simulated_gpu", 0) for node in facts.nodes)
        shown = f"{gpus:g} GPU{' (simulated)' if fake else ''}"
        more = f", and up to {counted(len(facts.addable), 'node')} by the autoscaler" if facts.addable else ""
        yield ok("resources", f"{counted(workers, 'worker node')}, {cpus:g} CPU, {shown}{more}")


def check_disk(plan: JobPlan, facts: ClusterInfo) -> Iterable[Finding]:
    """Check that the head node has disk space for the job's package, environment and log."""
    disk = facts.disk
    if disk and disk.full:
        yield denied("disk", full(disk), room(bool(plan.expects.ray)))
    elif disk and disk.over:
        yield ok(
            "disk",
            f"{disk.free / 2**30:,.1f} of {disk.total / 2**30:,.1f} GiB free on the head node: less than 5%, so Ray "
            "rejects objects that do not fit in memory",
        )


def full(disk: Disk) -> str:
    """The message for a full disk on the head node."""
    return (
        f"The head node's disk is full: {disk.free / 2**20:,.0f} of {disk.total / 2**20:,.0f} MiB free at {disk.path}, "
        "so jobs cannot start there."
    )


def room(here: bool) -> str:
    """How to free space on the head node's disk. `here`: whether the cluster runs on this machine."""
    return (
        "free space on this machine (docker system df, docker system prune), or start a new head node: "
        "make cluster-down cluster-up"
        if here
        else "free space on the head node's disk, or submit to a cluster with a larger one"
    )


def too_much_for_a_node(plan: JobPlan, nodes: tuple[NodeResources, ...]) -> Iterable[Finding]:
    """Check whether the entrypoint requests more than any node has, so that it would wait indefinitely."""
    asked = amounts(plan.reserve)
    if asked and not any(
        all(node.resources.get(what, 0) >= much for what, much in asked.items()) for node in nodes
    ):
        most = {what: max((node.resources.get(what, 0) for node in nodes), default=0) for what in asked}
        yield denied(
            "resources",
            f"The entrypoint requests {spelled(asked)} on one node; the most any node has is {spelled(most)}. "
            "The job would never be scheduled.",
            "request less (--entrypoint-num-cpus or similar, or [tool.submit.entrypoint] in the script)",
        )


def too_much_for_all(plan: JobPlan, nodes: tuple[NodeResources, ...]) -> Iterable[Finding]:
    """Check whether the script declares that it needs more than the whole cluster has."""
    asked = amounts(plan.header.needs)
    have = {what: sum(node.resources.get(what, 0) for node in nodes) for what in asked}
    if any(have[what] < much for what, much in asked.items()):
        yield denied(
            "resources",
            f"{plan.name} needs {spelled(asked)}; the whole cluster has {spelled(have)}.",
            "add nodes with python -m cluster scale cpu-worker=N, or use a larger cluster"
            if plan.expects.ray
            else "use a larger cluster",
        )


def amounts(asked: Resources) -> dict[str, float]:
    """The requested resources, by Ray's names for them; memory in bytes."""
    named = {"CPU": asked.cpus, "GPU": asked.gpus, "memory": float(asked.memory), **asked.resources}
    return {what: much for what, much in named.items() if much}


def spelled(resources: Mapping[str, float]) -> str:
    """Resources as text, such as "2 CPU, 4 GiB memory"."""
    return ", ".join(
        f"{much / 2**30:.3g} GiB memory" if what == "memory" else f"{much:g} {what}"
        for what, much in resources.items()
    )
