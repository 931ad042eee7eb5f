"""The command line, the only module that prints. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from cluster import confirmation
from cluster import options as command_line
from cluster.options import PROG
from cluster.runtimes import Context, Runtime
from cluster.vertex_ai import options as vertex_options
from raydock import settings, state
from raydock.errors import Interrupted, RaydockError
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
    """Run one command and return its exit code: see cluster/errors.py."""
    try:
        options = parse(argv)
        run = vertex_options.chosen(options)
        context = read_context()
        run(options, context)
    except RaydockError as error:
        report(error)
        return error.exit_code
    except KeyboardInterrupt:
        say("Interrupted. To see what is running: make cluster-status")
        return Interrupted.exit_code
    except Exception as fault:
        from raydock import crash

        say(crash.sentence("cluster", fault), prefix="")
        return crash.EXIT_CODE
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments. Raises UsageError, with the corrected command line if one is likely."""
    return command_line.parse(argv, COMMANDS)


def parser() -> Parser:
    """The parser with every command."""
    return command_line.parser(COMMANDS)


def read_context() -> Context:
    """The context of this checkout. Raises UsageError for an invalid setting."""
    from raydock import topology

    found = settings.read()
    steps = Steps(say, StatusLine(sys.stderr), PREFIX)
    return Context(ROOT, state.folder(found), found, topology.load(ROOT, found), steps.say, shown=steps)


def report(error: RaydockError) -> None:
    """Print an error and its fix to stderr, wrapped to the terminal."""
    wrapped(PREFIX, error.message)
    wrapped("  ", error.fix)


def wrapped(start: str, text: str) -> None:
    """Print lines to stderr, wrapped to the terminal, the first one after `start`. Commands and links stay whole."""
    width = columns(sys.stderr)
    first, *more = text.split("\n")
    for line in [*hanging(start, first, width), *(part for one in more for part in hanging("", one, width))]:
        say(line, prefix="")


def say(line: str, prefix: str = PREFIX) -> None:
    """Print a line of progress to stderr, without control characters."""
    shown = "\n".join(printable(part) for part in line.split("\n"))
    print(f"{prefix}{shown}", file=sys.stderr, flush=True)


def run_up(options: argparse.Namespace, context: Context) -> None:
    """Start the cluster, or apply changed settings to the one that is up."""
    from cluster import runtimes, sizes, up
    from cluster.state import applied, key, lock
    from iam.lab.settings import renamed_setting

    if warning := renamed_setting(context.settings):
        say(warning)
    with lock.held(context.state):
        choice = up.choose(options.runtime, context)
        exists = runtimes.open_runtime(choice.runtime, context).exists()
        context, sized = sizes.fitted(context, choice.runtime, exists)
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
    print(f"\nDashboard:\n{context.dashboard.link}\n\nNext:\n{NEXT}")


def run_down(options: argparse.Namespace, context: Context) -> None:
    """Remove the cluster, whatever its runtime, after confirmation on a terminal."""
    from cluster import down
    from cluster.state import lock

    with lock.held(context.state):
        removal = down.removal(context, options.keep_data)  # raises NoEngine before anything is removed
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
    """Show the nodes, as a table or as JSON."""
    from cluster import runtimes, status

    runtime = runtimes.current(context)
    cluster = runtimes.open_runtime(runtime, context)
    if options.json:
        nodes = runtimes.cluster_nodes(cluster, context)
        print(json.dumps(status.as_json(runtime, context.dashboard, nodes), indent=1))
    else:
        show(cluster, context)
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
    """Build the missing images, or all of them."""
    from cluster.docker.cluster import open_cluster

    built = open_cluster(context).build(options.build)
    print(f"Built: {', '.join(built)}." if built else "All images already exist.")


def show(cluster: Runtime, context: Context) -> None:
    """Print the table of nodes, and say which services have stopped."""
    from cluster import runtimes, status

    print(status.table(runtimes.cluster_nodes(cluster, context)))
    if stopped := cluster.stopped_services():
        say(f"{runtimes.stopped_message(stopped)} {runtimes.START_AGAIN}")


COMMANDS = {"up": run_up, "down": run_down, "status": run_status, "scale": run_scale, "images": run_images}
