"""The flags and commands that `--target vertex` adds to the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from raydock.errors import UsageError

Run = Callable[[argparse.Namespace, Any], None]
# Flags for a local cluster and their defaults, keyed by argparse name.
LOCAL = {
    "runtime": ("--runtime", "auto"),
    "build": ("--build", False),
    "like": ("--like", ""),
    "restart": ("--restart", False),
    "drain_timeout": ("--drain-timeout", 60.0),
    "keep_data": ("--keep-data", False),
}
# Flags for Vertex AI and their defaults, keyed by argparse name.
VERTEX: Mapping[str, tuple[str, object]] = {
    "cluster": ("--cluster", ""),
    "project": ("--project", ""),
    "region": ("--region", ""),
    "lab": ("--lab", False),
    "service_account": ("--service-account", ""),
    "network": ("--network", ""),
    "label": ("--label", []),
    "autoscale": ("--autoscale", ""),
    "image": ("--image", []),
    "dry_run": ("--dry-run", False),
    "deadline": ("--deadline", "30m"),
    "max_idle": ("--max-idle", ""),
}


def add(verbs: Any) -> None:
    """Add the flags to the existing commands, and the commands `idle` and `diff`.

    `verbs` is an argparse._SubParsersAction.
    """
    groups = {
        name: location(verbs.choices[name], ("local", "vertex")) for name in ("up", "down", "status", "scale")
    }
    up(groups["up"])
    confirmation(groups["down"], "delete")
    for name in ("up", "down", "scale"):
        deadline(groups[name])
    idle(verbs.add_parser("idle", help="on Vertex AI: delete a cluster once it is idle"))
    diff(verbs.add_parser("diff", help="compare the local cluster with one on Vertex AI"))


def location(parser: argparse.ArgumentParser, targets: tuple[str, ...]) -> Any:
    """Add the flags that locate a cluster. Returns their argparse._ArgumentGroup."""
    group = parser.add_argument_group("on Vertex AI")
    group.add_argument(
        "--target", choices=targets, default=targets[0], help=f"where the cluster runs (default {targets[0]})"
    )
    group.add_argument(
        "--cluster", metavar="NAME", default="", help="the cluster's name or full resource name"
    )
    group.add_argument(
        "--project",
        metavar="ID",
        default="",
        help="the cluster's project (default: your credentials' project)",
    )
    group.add_argument(
        "--region", metavar="REGION", default="", help="the cluster's region (default us-central1)"
    )
    group.add_argument(
        "--lab",
        action="store_true",
        help="the lab's Vertex AI, not Google's (default if the project is the lab's)",
    )
    return group


def confirmation(group: Any, verb: str) -> None:
    """Add --yes."""
    group.add_argument("--yes", action="store_true", help=f"{verb} without asking for confirmation")


def deadline(group: Any) -> None:
    """Add --deadline."""
    group.add_argument("--deadline", metavar="TIME", default="30m", help="how long to wait (default 30m)")


def up(group: Any) -> None:
    """Add the flags for `up`."""
    group.add_argument(
        "--service-account",
        metavar="SA",
        default="",
        help="the service account that jobs run as (default: the service agent)",
    )
    group.add_argument(
        "--network", metavar="NAME", default="", help="a peered network: projects/NUMBER/global/networks/NAME"
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
    confirmation(group, "create")
    group.add_argument("--dry-run", action="store_true", help="show the plan without creating anything")
    group.add_argument(
        "--max-idle",
        metavar="TIME",
        default="",
        help="also print the commands that delete the cluster once it is idle",
    )


def idle(parser: argparse.ArgumentParser) -> None:
    """Add the flags for `idle`."""
    location(parser, ("vertex",))
    parser.add_argument(
        "--max-idle",
        metavar="TIME",
        default="30m",
        help="how long the cluster must be idle before it is deleted (default 30m)",
    )
    parser.add_argument("--once", action="store_true", help="check once and exit (for cron)")
    parser.set_defaults(run=runner("run_idle"))


def diff(parser: argparse.ArgumentParser) -> None:
    """Add the flags for `diff`."""
    location(parser, ("vertex",))
    parser.add_argument(
        "--job", metavar="FILE", default="", help="show which differences matter to this job script"
    )
    parser.set_defaults(run=runner("run_diff"))


def runner(name: str) -> Run:
    """A function that runs a command from cluster.vertex_ai.cli, which it imports only when called."""

    def run(options: argparse.Namespace, context: Any) -> None:
        from cluster.vertex_ai import cli

        cli.run(name, options, context)

    return run


def chosen(options: argparse.Namespace) -> Run:
    """The function that runs the command on its target. Raises UsageError if a flag applies to the other target."""
    run: Run = options.run
    target = getattr(options, "target", "local")
    if target == "vertex":
        reject(options, LOCAL, "applies only to a local cluster", "Remove it, or remove --target vertex.")
        return run if run.__module__ == __name__ else runner(run.__name__)
    reject(options, VERTEX, "applies only to a cluster on Vertex AI", "Add --target vertex.")
    return run


def reject(options: argparse.Namespace, flags: Mapping[str, tuple[str, object]], why: str, fix: str) -> None:
    """Raise UsageError if any of the flags differs from its default."""
    for name, (flag, default) in flags.items():
        if getattr(options, name, default) != default:
            raise UsageError(f"{flag} {why}.", fix)
