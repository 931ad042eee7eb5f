"""The command line. This is the only module that prints: results to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from cluster import confirmation, manifest
from cluster import options as command_line
from cluster.options import PROG
from cluster.runtimes import Context, Runtime
from cluster.targets import flags
from raydock import crash, interrupts, settings, state
from raydock.errors import Interrupted, RaydockError, UsageError
from raydock.gcp.clouds import inside_lab
from raydock.settings import ROOT
from raydock.terminal.commandline import Parser
from raydock.terminal.layout import columns, hanging
from raydock.terminal.printable import printable
from raydock.terminal.status_line import StatusLine
from raydock.terminal.steps import Steps
from raydock.topology import pool_size

PREFIX = "cluster: "
NEXT = "python submit.py jobs/sklearn_joblib.py"


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code. The codes are listed in cluster/errors.py."""
    try:
        with crash.interrupts_kept():
            options = parse(argv)
            run = flags.chosen(options)
            interrupts.running()
            enter_lab(options)
            run(options, read_context())
    except RaydockError as error:
        report(error)
        return error.exit_code
    except KeyboardInterrupt:
        interrupts.ending(Interrupted.exit_code, interrupts.LAST_WORDS)
        say("Interrupted. To see what is running: make cluster-status")
        return Interrupted.exit_code
    except Exception as fault:
        say(crash.sentence("cluster", fault), prefix="")
        return crash.EXIT_CODE
    return 0


def enter_lab(options: argparse.Namespace) -> None:
    """Use the lab's Vertex AI if a command for Vertex AI means it, and say so.

    Raises UsageError for a command on the local cluster in a container of the lab.
    """
    if getattr(options, "target", "local") == "local" and inside_lab():
        raise UsageError(
            "This container of the lab has no Docker engine, so it can't manage the cluster that it belongs to.",
            "Run it on the machine itself, or add --target vertex for clusters on the lab's Vertex AI.",
        )
    if getattr(options, "target", "") == "vertex":
        from raydock.gcp.lab_environment import enter_if_meant

        if found := enter_if_meant(options.lab, options.project, options.cluster, os.environ):
            say(found.line)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments. Raises UsageError, which suggests a corrected command line if it can."""
    return command_line.parse(argv, COMMANDS)


def parser() -> Parser:
    """The parser for all commands."""
    return command_line.parser(COMMANDS)


def read_context() -> Context:
    """Read the settings and topology of this checkout. Raises UsageError for an invalid setting."""
    from raydock import topology

    found = settings.read()
    steps = Steps(say, StatusLine(sys.stderr), PREFIX)
    return Context(ROOT, state.folder(found), found, topology.load(ROOT, found), steps.say, shown=steps)


def report(error: RaydockError) -> None:
    """Print an error and its fix to stderr, wrapped to the terminal."""
    wrapped(PREFIX, error.message)
    wrapped("  ", error.fix)


def wrapped(start: str, text: str) -> None:
    """Print lines to stderr, wrapped to the terminal. `start` precedes the first. Commands and links stay whole."""
    width = columns(sys.stderr)
    first, *more = text.split("\n")
    for line in [*hanging(start, first, width), *(part for one in more for part in hanging("", one, width))]:
        say(line, prefix="")


def say(line: str, prefix: str = PREFIX) -> None:
    """Print a line of progress to stderr, without control characters."""
    shown = "\n".join(printable(part) for part in line.split("\n"))
    print(f"{prefix}{shown}", file=sys.stderr, flush=True)


def run_up(options: argparse.Namespace, context: Context) -> None:
    """Start the cluster, or apply changed settings to the running one."""
    from cluster import runtimes, sizes, up
    from cluster.state import applied, key, lock
    from cluster.vertex_ai import like
    from iam.lab.settings import renamed_setting

    if warning := renamed_setting(context.settings):
        say(warning)
    with lock.held(context.state):
        choice = up.choose(options.runtime, context)
        exists = runtimes.open_runtime(choice.runtime, context).exists()
        wanted = like.chosen(options.like, context, choice.runtime, exists) if options.like else {}
        context, sized = sizes.fitted(context, choice.runtime, exists, wanted)
        key.ensure(context.state)
        cluster = runtimes.open_runtime(choice.runtime, context)
        pending = up.bring_up(cluster, replace(choice, sizes=sized), options, context)
        applied.save(context.state, applied.applied_settings(context, pending))
        show(cluster, context)
    if pending.sizes:
        pools = " ".join(
            f"{applied.POOL_SIZES[name]}={applied.size(name, context)}" for name in pending.sizes
        )
        say(f"changed but not applied: {', '.join(pending.sizes)}. To apply: {PROG} scale {pools}")
    print(f"\nDashboard:\n{context.dashboard.link}")
    show_kubernetes(choice.runtime, context)
    print(f"\nNext:\n{NEXT}")


def show_kubernetes(runtime: str, context: Context) -> None:
    """Print how to use the lab's Kubernetes, if its profile is enabled."""
    from cluster.docker import kubernetes

    if not kubernetes.is_enabled(context.settings):
        return
    if runtime == "docker":
        print(f"\nKubernetes:\n{kubernetes_export(context)}")
    else:
        say("the profile kubernetes needs Docker; the processes runtime has none")


def run_down(options: argparse.Namespace, context: Context) -> None:
    """Remove the cluster, whichever runtime it uses. Asks for confirmation on a terminal."""
    from cluster import down
    from cluster.state import lock

    with lock.held(context.state):
        removal = down.removal(
            context, options.keep_data
        )  # if this raises NoEngine, nothing has been removed
        if not (removal.nothing or options.yes) and confirmation.is_possible():
            wrapped("", removal.description())
            if not options.keep_data:
                wrapped("", f"To keep {down.DATA}: {PROG} down --keep-data")
            confirmation.confirm("Continue?", "Nothing was removed")
        removed = removal.run()
    print(f"Removed: {', '.join(removed)}." if removed else "Nothing to remove.")
    if options.keep_data and not removal.nothing:
        print(f"Kept: {down.DATA}.")


def run_status(options: argparse.Namespace, context: Context) -> None:
    """Show the nodes as a table or as JSON."""
    from cluster import runtimes, status
    from cluster.fault import commands

    runtime = runtimes.current(context)
    cluster = runtimes.open_runtime(runtime, context)
    if options.json:
        nodes = runtimes.cluster_nodes(cluster, context)
        found = {"faults": commands.active_json(context)}
        print(json.dumps(status.as_json(runtime, context.dashboard, nodes) | found, indent=1))
    else:
        show(cluster, context)
        if faults := commands.active(context):
            print(f"\n{faults}")
        print(f"\nDashboard:\n{context.dashboard.link}")


def run_scale(options: argparse.Namespace, context: Context) -> None:
    """Resize the given pools."""
    from cluster import runtimes, sizes
    from cluster.state import lock, started

    context = sizes.of_running(context)
    wanted = [pool_size(text) for text in options.sizes]
    pools = [(context.topology.pool(name), count) for name, count in wanted]
    with lock.held(context.state):
        cluster = runtimes.open_runtime(runtimes.current(context), context)
        for pool, count in pools:
            cluster.scale(pool, count, options.drain_timeout)
            started.scaled(context.state, pool.name, count)
        show(cluster, context)


def run_images(options: argparse.Namespace, context: Context) -> None:
    """Build the images that are missing or whose files changed, or all of them."""
    from cluster.docker.cluster import open_cluster
    from cluster.runtimes import Rebuild

    built = open_cluster(context).image_builder.build(Rebuild.ALL if options.build else Rebuild.CHANGED)
    print(f"Built: {', '.join(built)}." if built else "All images are up to date.")


def run_env(options: argparse.Namespace, context: Context) -> None:
    """Print the variables for a shell: eval "$(python -m cluster env)"."""
    from raydock.gcp import lab_environment

    if options.kubernetes:
        print(kubernetes_export(context))
        return

    found = lab_environment.of_checkout(os.environ)
    print(found.exports)
    say(f"for the shell that evaluates this: {found.line}")


def kubernetes_export(context: Context) -> str:
    """The command that selects the lab's Kubernetes. Raises NotUp and NoEngine."""
    from cluster.docker import engine, kubernetes

    path = kubernetes.write_kubeconfig(engine.connect(), context.topology.project, context.state)
    return kubernetes.export(path)


def show(cluster: Runtime, context: Context) -> None:
    """Print the node table, and report any services that have stopped."""
    from cluster import runtimes, status

    print(status.table(runtimes.cluster_nodes(cluster, context)))
    if stopped := cluster.stopped_services():
        say(f"{runtimes.stopped_message(stopped)} {runtimes.START_AGAIN}")


def run_manifest(options: argparse.Namespace, context: Context) -> None:
    """Print the cluster as a RayCluster, as YAML."""
    print(manifest.document(options, context), end="")


def run_fault(options: argparse.Namespace, context: Context) -> None:
    """Start, list or end faults on purpose."""
    from cluster.fault import commands

    print(commands.run(options, context))


COMMANDS = {
    "up": run_up,
    "down": run_down,
    "status": run_status,
    "scale": run_scale,
    "images": run_images,
    "env": run_env,
    "manifest": run_manifest,
    "fault": run_fault,
}
