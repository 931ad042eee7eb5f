"""The flags and commands that `--target` adds to the command line."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from raydock.errors import UsageError
from raydock.terminal.commandline import add_location

Run = Callable[[argparse.Namespace, Any], None]
# The module with the commands of each target, and where its clusters run, for messages.
TARGETS = {
    "vertex": ("cluster.vertex_ai.cli", "Vertex AI"),
    "kuberay": ("cluster.kubernetes.cli", "Kubernetes"),
}
LOCAL, VERTEX, KUBERAY = ("local",), ("vertex",), ("kuberay",)
REMOTE = tuple(TARGETS)
# The flags that not all targets take, with their defaults, keyed by argparse name.
FLAGS: Mapping[str, tuple[str, object, tuple[str, ...]]] = {
    "runtime": ("--runtime", "auto", LOCAL),
    "build": ("--build", False, LOCAL),
    "no_build": ("--no-build", False, LOCAL),
    "like": ("--like", "", LOCAL),
    "restart": ("--restart", False, LOCAL),
    "drain_timeout": ("--drain-timeout", 60.0, LOCAL),
    "keep_data": ("--keep-data", False, LOCAL),
    "cluster": ("--cluster", "", REMOTE),
    "project": ("--project", "", VERTEX),
    "region": ("--region", "", VERTEX),
    "lab": ("--lab", False, VERTEX),
    "context": ("--context", "", KUBERAY),
    "namespace": ("--namespace", "", KUBERAY),
    "service_account": ("--service-account", "", REMOTE),
    "network": ("--network", "", VERTEX),
    "label": ("--label", [], REMOTE),
    "autoscale": ("--autoscale", "", REMOTE),
    "image": ("--image", [], REMOTE),
    "force_conflicts": ("--force-conflicts", False, KUBERAY),
    "dry_run": ("--dry-run", False, REMOTE),
    "deadline": ("--deadline", "30m", REMOTE),
    "max_idle": ("--max-idle", "", REMOTE),
}


def add(verbs: Any) -> None:
    """Add the flags to the existing commands, and the commands `idle` and `diff`.

    `verbs` is an argparse._SubParsersAction.
    """
    groups = {
        name: location(verbs.choices[name], ("local", *REMOTE)) for name in ("up", "down", "status", "scale")
    }
    up(groups["up"])
    confirmation(groups["down"], "delete")
    for name in ("up", "down", "scale"):
        deadline(groups[name])
    idle(verbs.add_parser("idle", help="on Vertex AI or Kubernetes: delete a cluster once it is idle"))
    diff(verbs.add_parser("diff", help="compare the local cluster with one on Vertex AI or Kubernetes"))


def location(parser: argparse.ArgumentParser, targets: tuple[str, ...]) -> Any:
    """Add the flags that locate a cluster. Returns their argparse._ArgumentGroup."""
    group = parser.add_argument_group("on Vertex AI (vertex) or Kubernetes (kuberay)")
    group.add_argument(
        "--target", choices=targets, default=targets[0], help=f"where the cluster runs (default {targets[0]})"
    )
    group.add_argument(
        "--cluster",
        metavar="NAME",
        default="",
        help="the cluster's name; vertex: or full resource name",
    )
    add_location(group)
    return group


def confirmation(group: Any, verb: str) -> None:
    """Add --yes."""
    group.add_argument("--yes", action="store_true", help=f"{verb} without asking for confirmation")


def deadline(group: Any) -> None:
    """Add --deadline."""
    group.add_argument("--deadline", metavar="TIME", default="30m", help="how long to wait (default 30m)")


def up(group: Any) -> None:
    """Add the flags for `up`."""
    described(group)
    group.add_argument(
        "--network",
        metavar="NAME",
        default="",
        help="vertex: a peered network: projects/NUMBER/global/networks/NAME",
    )
    group.add_argument(
        "--force-conflicts",
        action="store_true",
        help="kuberay: also overwrite fields that another client has changed",
    )
    confirmation(group, "create")
    group.add_argument("--dry-run", action="store_true", help="show the plan without creating anything")
    group.add_argument(
        "--max-idle",
        metavar="TIME",
        default="",
        help="also print the commands that delete the cluster once it is idle",
    )


def described(group: Any) -> None:
    """Add the flags for what compose.yaml does not say about a cluster, for `up` and `manifest`."""
    group.add_argument(
        "--service-account",
        metavar="SA",
        default="",
        help="the service account that jobs run as (default: the service agent); kuberay: the Kubernetes service "
        "account of all pods (default: the namespace's)",
    )
    group.add_argument("--label", metavar="K=V", action="append", default=[], help="a label; may be repeated")
    group.add_argument(
        "--autoscale", metavar="MIN:MAX", default="", help="each worker pool's minimum and maximum size"
    )
    group.add_argument(
        "--image",
        metavar="[POOL=]URI",
        action="append",
        default=[],
        help="a custom image for all pools, or for one pool; may be repeated",
    )


def idle(parser: argparse.ArgumentParser) -> None:
    """Add the flags for `idle`."""
    location(parser, REMOTE)
    parser.add_argument(
        "--max-idle",
        metavar="TIME",
        default="30m",
        help="how long the cluster must be idle before it is deleted (default 30m)",
    )
    parser.add_argument("--once", action="store_true", help="check once and exit (for cron)")
    parser.set_defaults(run=runner("vertex", "run_idle"))


def diff(parser: argparse.ArgumentParser) -> None:
    """Add the flags for `diff`."""
    location(parser, REMOTE)
    parser.add_argument(
        "--job", metavar="FILE", default="", help="show which differences matter to this job script"
    )
    parser.set_defaults(run=runner("vertex", "run_diff"))


def runner(target: str, name: str) -> Run:
    """A function that runs a command of a target, whose module it imports only when called."""

    def run(options: argparse.Namespace, context: Any) -> None:
        importlib.import_module(TARGETS[target][0]).run(name, options, context)

    run.__name__ = name
    return run


def chosen(options: argparse.Namespace) -> Run:
    """The function that runs the command on its target. Raises UsageError if a flag applies to another target."""
    run: Run = options.run
    target = getattr(options, "target", "")
    if not target:
        return run
    for name, (flag, default, takers) in FLAGS.items():
        if getattr(options, name, default) != default and target not in takers:
            raise misplaced(flag, takers, target)
    return run if target == "local" else runner(target, run.__name__)


def misplaced(flag: str, takers: tuple[str, ...], target: str) -> UsageError:
    """The error for a flag of another target."""
    if takers == LOCAL:
        return UsageError(
            f"{flag} applies only to a local cluster.", f"Remove it, or remove --target {target}."
        )
    places = " or ".join(TARGETS[one][1] for one in takers)
    fix = f"Add {' or '.join(f'--target {one}' for one in takers)}."
    return UsageError(f"{flag} applies only to a cluster on {places}.", fix)
