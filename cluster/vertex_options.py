"""The flags that `--target vertex` adds to the command line, and the verbs that only it has."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from raydock.errors import UsageError

Run = Callable[[argparse.Namespace, Any], None]
LOCAL = {
    "kind": ("--runtime", "auto"),
    "build": ("--build", False),
    "restart": ("--restart", False),
    "drain_timeout": ("--drain-timeout", 60.0),
}
# Flags of Vertex AI's, by what argparse calls them, with what they are when nobody gives them.
VERTEX: Mapping[str, tuple[str, object]] = {
    "cluster": ("--cluster", ""),
    "project": ("--project", ""),
    "region": ("--region", ""),
    "service_account": ("--service-account", ""),
    "network": ("--network", ""),
    "label": ("--label", []),
    "autoscale": ("--autoscale", ""),
    "image": ("--image", []),
    "yes": ("--yes", False),
    "dry_run": ("--dry-run", False),
    "deadline": ("--deadline", "30m"),
    "max_idle": ("--max-idle", ""),
}


def add(verbs: Any) -> None:
    """Adds them to the verbs that are there, an argparse._SubParsersAction, and `idle` and `diff` to those."""
    groups = {
        name: location(verbs.choices[name], ("local", "vertex")) for name in ("up", "down", "status", "scale")
    }
    up(groups["up"])
    asked(groups["down"], "delete")
    for name in ("up", "down", "scale"):
        wait(groups[name])
    idle(verbs.add_parser("idle", help="on Vertex AI: delete a cluster on which nothing runs"))
    diff(verbs.add_parser("diff", help="the local cluster and one on Vertex AI side by side"))


def location(parser: argparse.ArgumentParser, targets: tuple[str, ...]) -> Any:
    """Adds what says where a cluster is; returns the group, an argparse._ArgumentGroup, for more."""
    group = parser.add_argument_group("on Vertex AI")
    group.add_argument("--target", choices=targets, default=targets[0], help="where the cluster is")
    group.add_argument("--cluster", metavar="NAME", default="", help="its name, or its full resource name")
    group.add_argument(
        "--project", metavar="ID", default="", help="its project; your credentials' by default"
    )
    group.add_argument("--region", metavar="REGION", default="", help="its region; us-central1 by default")
    return group


def asked(group: Any, verb: str) -> None:
    group.add_argument("--yes", action="store_true", help=f"{verb} without asking")


def wait(group: Any) -> None:
    group.add_argument("--deadline", metavar="TIME", default="30m", help="how long to wait at most (30m)")


def up(group: Any) -> None:
    group.add_argument("--service-account", metavar="SA", default="", help="who jobs run as; else the agent")
    group.add_argument("--network", metavar="NAME", default="", help="projects/NUMBER/global/networks/NAME")
    group.add_argument("--label", metavar="K=V", action="append", default=[], help="as often as you like")
    group.add_argument("--autoscale", metavar="MIN:MAX", default="", help="nodes of each worker pool")
    group.add_argument(
        "--image",
        metavar="[POOL=]URI",
        action="append",
        default=[],
        help="a custom image: of all, or of a pool",
    )
    asked(group, "create")
    group.add_argument("--dry-run", action="store_true", help="show the plan and create nothing")
    group.add_argument("--max-idle", metavar="TIME", default="", help="print what deletes it when it is idle")


def idle(parser: argparse.ArgumentParser) -> None:
    location(parser, ("vertex",))
    parser.add_argument("--max-idle", metavar="TIME", default="30m", help="how long no job has run (30m)")
    parser.add_argument("--once", action="store_true", help="look once and end, for cron")
    parser.set_defaults(run=runner("run_idle"))


def diff(parser: argparse.ArgumentParser) -> None:
    location(parser, ("vertex",))
    parser.add_argument("--job", metavar="FILE", default="", help="whether it matters to this job script")
    parser.set_defaults(run=runner("run_diff"))


def runner(name: str) -> Run:
    """Runs a verb of cluster.vertex.cli, which is imported then."""

    def run(options: argparse.Namespace, context: Any) -> None:
        from cluster import vertex_cli

        vertex_cli.run(name, options, context)

    return run


def chosen(options: argparse.Namespace) -> Run:
    """The verb for the target that was asked for. UsageError for flags of the other one."""
    run: Run = options.run
    target = getattr(options, "target", "local")
    if target == "vertex":
        refuse(options, LOCAL, "is for a local cluster", "Leave it out, or --target vertex.")
        return run if run.__module__ == __name__ else runner(run.__name__)
    refuse(options, VERTEX, "is for a cluster on Vertex AI", "Add --target vertex.")
    return run


def refuse(options: argparse.Namespace, flags: Mapping[str, tuple[str, object]], why: str, fix: str) -> None:
    for name, (flag, default) in flags.items():
        if getattr(options, name, default) != default:
            raise UsageError(f"{flag} {why}.", fix)
