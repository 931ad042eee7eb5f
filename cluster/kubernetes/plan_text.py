"""Formats a plan: what `up` will create or change, and what the user should know before that."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes import cluster_text
from cluster.targets.columns import WIDTH, fields, grid
from kuberay.cluster import RayCluster, cluster_of
from kuberay.kubeconfig import KubeContext
from kuberay.lifecycle import Proposal
from raydock.terminal.layout import clip, wrap
from raydock.units import counted


def dry_run(context: KubeContext, proposal: Proposal) -> str:
    """The plan, and exactly what would be sent, as YAML."""
    import yaml

    if proposal.found and not proposal.changes:
        return f"{proposal.found.name} already exists and is as planned.\n\nNothing was changed (--dry-run)."
    sent = yaml.safe_dump(dict(proposal.manifest), sort_keys=False)
    done = "changed" if proposal.found else "created"
    return (
        f"{plan(context, proposal)}\n\nSent by server-side apply, which the API server accepts:\n\n{sent}\n"
        f"Nothing was {done} (--dry-run)."
    )


def plan(context: KubeContext, proposal: Proposal) -> str:
    """What will be created or changed."""
    found = cluster_of(proposal.manifest)
    verb = "Changes to RayCluster" if proposal.found else "RayCluster"
    head = f"{verb} {found.name} in namespace {context.namespace} of context {context.name}:"
    return "\n".join([head, "", *(changed(proposal) if proposal.found else created(found))])


def created(found: RayCluster) -> Iterator[str]:
    """A new cluster."""
    yield cluster_text.groups(found)
    yield ""
    yield fields(
        [
            ("total", total(found)),
            ("Ray", found.ray),
            ("jobs run as", cluster_text.accounts(found)),
            ("labels", ", ".join(f"{key}={value}" for key, value in sorted(found.labels.items())) or "none"),
            ("autoscaling", "by Ray's autoscaler" if found.autoscaled else "none; resize with `scale`"),
        ]
    )
    for note in notes(found):
        yield from wrap(note, WIDTH)


def total(found: RayCluster) -> str:
    """The numbers of pods, and what they offer to Ray."""
    pods = sum(group.replicas for group in found.groups)
    cpus, gpus, memory = (
        sum(group.replicas * group.resources.get(name, 0) for group in found.groups)
        for name in ("CPU", "GPU", "memory")
    )
    cores, cards = (
        f"{number:g} {noun}{'' if number == 1 else 's'}" for number, noun in ((cpus, "CPU"), (gpus, "GPU"))
    )
    return f"{counted(pods, 'pod')}, {cores} for tasks, {cards}, {memory / 2**30:.3g} GiB"


def notes(found: RayCluster) -> Iterator[str]:
    """Warnings about the plan."""
    local = sorted({group.image for group in found.groups if not names_registry(group.image)})
    if local:
        yield (
            f"The nodes take {', '.join(local)} from what is loaded into them, or else from Docker Hub. To load "
            "or push images: docs/kuberay.md"
        )
    if len(found.groups) == 1 or not any(group.most for group in found.groups[1:]):
        yield "There are no workers, and the head node runs no tasks, so no task would ever run."


def names_registry(image: str) -> bool:
    """Whether an image's name starts with the host of a registry, or is one of Docker Hub's `rayproject`."""
    host = image.partition("/")[0]
    return "." in host or ":" in host or host in ("localhost", "rayproject")


def changed(proposal: Proposal) -> Iterator[str]:
    """The changes to an existing cluster."""
    yield grid(
        [
            ("FIELD", "NOW", "THEN"),
            *(
                (change.path.removeprefix("spec."), clip(change.before or "-", 30), change.after or "-")
                for change in proposal.changes
            ),
        ]
    )
    if any(".template" in change.path or "rayStartParams" in change.path for change in proposal.changes):
        yield from (
            "",
            *wrap(
                "KubeRay applies a changed template only to new pods. To replace the others: delete the pods, or run "
                "`down` and `up`.",
                WIDTH,
            ),
        )
