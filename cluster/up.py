"""Starts the cluster, or applies changed settings to the running one."""

from __future__ import annotations

import argparse
from dataclasses import replace

from cluster import restart, runtimes
from cluster.errors import NoEngine, OtherRuntime
from cluster.fault import client
from cluster.options import PROG
from cluster.processes import services
from cluster.runtimes import Choice, Context, Rebuild, Runtime
from cluster.state import applied
from cluster.state.applied import Changes
from raydock.errors import Interrupted, UsageError

KEEP = f"; or leave the nodes as they are: {PROG} up --no-build"


def choose(asked: str, context: Context) -> Choice:
    """The existing cluster's runtime, or else the requested or detected one.

    Raises OtherRuntime if a cluster exists on a runtime other than the requested one.
    """
    try:
        found = next(runtimes.existing(context), "")
    except NoEngine:
        if asked != "processes":  # --runtime processes abandons the cluster in Docker
            raise
        found = ""
    if found and asked not in ("auto", found):
        raise OtherRuntime(
            f"A cluster already exists on runtime {found}.", "Remove it first: make cluster-down"
        )
    if found:
        return Choice(found, "the existing cluster")
    return runtimes.choose(asked, runtimes.require_engine)


def bring_up(cluster: Runtime, choice: Choice, options: argparse.Namespace, context: Context) -> Changes:
    """Start whatever is missing and apply changed settings. Returns the changes that are still pending.

    Raises InUse if that would kill running jobs.
    """
    rebuild = images_to_build(options)
    new, members = not cluster.exists(), cluster.members()
    changed = applied.Changes() if new else applied.changes(context, members)
    why = restart.reasons(changed, options.build, options.restart) if members else ""
    outdated = [] if new else cluster.outdated(rebuild)
    risk = why or restart.outdated_nodes(outdated, members)
    if risk and not options.restart:
        may_keep = not why and not restart.outdated_nodes(cluster.outdated(Rebuild.MISSING), members)
        instead = KEEP if may_keep else ""
        restart.require_idle(risk, members, context.dashboard, given(options), instead)
    if not why and not outdated and members and runtimes.is_complete(cluster, context):
        apply_to_cloud(cluster, changed, context)
        return changed
    kept = new and bool(cluster.kept_data())
    services.check(context, new and not kept)
    context.say(f"{choice.runtime}: {choice.why}")
    if choice.sizes:
        context.say(choice.sizes)
    if kept:
        context.say("using the buckets, objects and grants that `down --keep-data` kept")
    if why:
        context.say(f"restarting the nodes because {why}; the cluster's job history will be lost")
    elif outdated:
        lost = "; the cluster's job history will be lost" if "head" in outdated else ""
        context.say(f"restarting {', '.join(outdated)}, because the code changed{lost}")
    start(cluster, rebuild, bool(why))
    if kept:  # `down` ends faults, but they are saved with the lab's data
        client.of_cluster(context.dashboard).clear([])
    if changed.cloud:
        cluster.restart_cloud()
    return replace(changed, nodes=())


def apply_to_cloud(cluster: Runtime, changed: Changes, context: Context) -> None:
    """Restart the lab's cloud if its settings changed. Everything else is running already."""
    if not changed.cloud:
        context.say(f"the cluster is already up; to resize it: {PROG} scale POOL=COUNT")
        return
    services.check(context, new=False)
    context.say(f"restarting the lab's cloud because {', '.join(changed.cloud)} changed")
    cluster.restart_cloud()


def given(options: argparse.Namespace) -> list[str]:
    """The arguments that were passed to `up`, except --restart."""
    runtime = [] if options.runtime == "auto" else ["--runtime", options.runtime]
    flags = {"--build": options.build, "--no-build": options.no_build}
    return ["up", *runtime, *(flag for flag, is_set in flags.items() if is_set)]


def images_to_build(options: argparse.Namespace) -> Rebuild:
    """Which images to build. Raises UsageError for --build with --no-build."""
    if options.build and options.no_build:
        raise UsageError(
            "--build and --no-build contradict each other.", f"Use one of them: {PROG} up --build"
        )
    return Rebuild.ALL if options.build else Rebuild.MISSING if options.no_build else Rebuild.CHANGED


def start(cluster: Runtime, rebuild: Rebuild, restart: bool) -> None:
    """Start the cluster. On Ctrl-C, raises Interrupted, which lists the running members."""
    try:
        cluster.up(rebuild, restart)
    except KeyboardInterrupt:
        running = ", ".join(member.name for member in cluster.members() if member.running) or "nothing"
        raise Interrupted(f"Interrupted. Still running: {running}.", "Remove it: make cluster-down") from None
