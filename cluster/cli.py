"""The command line, the only module that prints. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cluster import manifest
from cluster.errors import NoEngine, OtherRuntime
from cluster.runtimes import RUNTIMES, Choice, Context, Runtime
from cluster.vertex_ai import options as vertex_options
from raydock import settings, state, units
from raydock.errors import Interrupted, RaydockError, UsageError
from raydock.settings import ROOT
from raydock.terminal.commandline import MEANT, Parser, line, near
from raydock.terminal.layout import columns, hanging
from raydock.terminal.printable import printable
from raydock.topology import pool_size

if TYPE_CHECKING:
    from cluster.applied import Changes

PROG = "python -m cluster"
NEXT = "python submit.py jobs/sklearn_joblib.py"
RENAMED = {"--kind": "--runtime"}


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
    top, words = parser(), list(argv)
    verbs = top.commands
    if words and words[0] in verbs:
        verb = verbs[words[0]]
        require_current_flags(verb, words[1:])
        return verb.checked(words[1:])
    if words and not words[0].startswith("-"):
        close = near(words[0], verbs, 0.6)
        meant = MEANT + line(PROG, [close, *words[1:]]) if close else f"commands: {', '.join(verbs)}"
        raise UsageError(f"{words[0]} is not a command of {PROG}.", meant)
    return top.checked(words)


def require_current_flags(verb: Parser, words: Sequence[str]) -> None:
    """Raise UsageError for a flag that was renamed, with the command line that uses the new name."""
    for word in words:
        flag, equals, value = word.partition("=")
        new = RENAMED.get(flag, "")
        if new in verb.options:
            meant = [new + equals + value if other == word else other for other in words]
            raise UsageError(f"{verb.prog} does not take {word}.", MEANT + line(verb.prog, meant))


def parser() -> Parser:
    """The parser with every command."""
    top = Parser(
        prog=PROG, description="Start, inspect and stop a Ray cluster, on this machine or on Vertex AI."
    )
    verbs = top.add_subparsers(metavar="COMMAND", required=True)
    up = verbs.add_parser("up", help="start the cluster defined in compose.yaml")
    up.add_argument(
        "--runtime",
        choices=["auto", *RUNTIMES],
        default="auto",
        help="what to run the nodes on (default auto: Docker if its engine answers, otherwise processes)",
    )
    up.add_argument("--build", action="store_true", help="rebuild the images first")
    up.add_argument(
        "--restart",
        action="store_true",
        help="restart the nodes to apply changed settings, ending what runs on them",
    )
    up.set_defaults(run=run_up)
    down = verbs.add_parser("down", help="stop the cluster and remove everything it created")
    down.set_defaults(run=run_down)
    status = verbs.add_parser("status", help="show the nodes")
    status.add_argument("--json", action="store_true", help="print JSON")
    status.set_defaults(run=run_status)
    scale = verbs.add_parser("scale", help="change the number of nodes in a pool")
    scale.add_argument("sizes", nargs="+", metavar="POOL=COUNT", help="for example cpu-worker=3")
    scale.add_argument(
        "--drain-timeout",
        type=seconds,
        default=60.0,
        metavar="TIME",
        help="how long tasks on a removed node may take to finish (default 60s)",
    )
    scale.set_defaults(run=run_scale)
    images = verbs.add_parser("images", help="build the missing images")
    images.add_argument("--build", action="store_true", help="rebuild all images")
    images.set_defaults(run=run_images)
    manifest.add(verbs)
    vertex_options.add(verbs)
    return top


def seconds(text: str) -> float:
    """A duration in seconds. 0 means not at all."""
    try:
        return units.seconds(text, zero=True)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{fault}; {units.DURATION}") from None


def read_context() -> Context:
    """The context of this checkout. Raises UsageError for an invalid setting."""
    from raydock import topology

    found = settings.read()
    return Context(ROOT, state.folder(found), found, topology.load(ROOT, found), say)


def report(error: RaydockError) -> None:
    """Print an error and its fix to stderr, wrapped to the terminal."""
    width = columns(sys.stderr)
    for start, text in (("cluster: ", error.message), ("  ", error.fix)):
        first, *more = text.split("\n")
        shown = hanging(start, first, width) + [part for one in more for part in hanging("", one, width)]
        say("\n".join(shown), prefix="")


def say(line: str, prefix: str = "cluster: ") -> None:
    """Print a line of progress to stderr, without control characters."""
    shown = "\n".join(printable(part) for part in line.split("\n"))
    print(f"{prefix}{shown}", file=sys.stderr, flush=True)


def run_up(options: argparse.Namespace, context: Context) -> None:
    """Start the cluster, or apply changed settings to the one that is up."""
    from cluster import applied, key, lock, runtimes, sizes
    from iam import lab

    if warning := lab.renamed_setting(context.settings):
        say(warning)
    with lock.held(context.state):
        choice = choose(options.runtime, context)
        exists = runtimes.open_runtime(choice.runtime, context).exists()
        context, sized = sizes.fitted(context, choice.runtime, exists)
        key.ensure(context.state)
        cluster = runtimes.open_runtime(choice.runtime, context)
        pending = bring_up(cluster, replace(choice, sizes=sized), options, context)
        applied.save(context.state, applied.applied_settings(context, pending))
        show(cluster, context)
    if pending.sizes:
        pools = " ".join(
            f"{applied.POOL_SIZES[name]}={applied.size(name, context)}" for name in pending.sizes
        )
        say(f"changed but not applied: {', '.join(pending.sizes)}. To apply: {PROG} scale {pools}")
    print(f"\nDashboard: {context.dashboard.link}\nNext:      {NEXT}")


def bring_up(cluster: Runtime, choice: Choice, options: argparse.Namespace, context: Context) -> Changes:
    """Start what is missing and apply changed settings. Returns the changes that are still pending.

    Raises InUse if that would end running jobs.
    """
    from cluster import applied, restart, runtimes
    from cluster.processes import services

    new, members = not cluster.exists(), cluster.members()
    changed = applied.Changes() if new else applied.changes(context, members)
    why = restart.reasons(changed, options.build, options.restart) if members else ""
    if why and not options.restart:
        restart.require_idle(why, members, context.dashboard, given(options))
    if not why and members and runtimes.is_complete(cluster, context):
        if changed.cloud:
            services.check(context, new=False)
            say(f"restarting the lab's cloud because {', '.join(changed.cloud)} changed")
            cluster.restart_cloud()
        else:
            say(f"the cluster is already up; to resize it: {PROG} scale POOL=COUNT")
        return changed
    services.check(context, new)
    say(f"{choice.runtime}: {choice.why}")
    if choice.sizes:
        say(choice.sizes)
    if why:
        say(f"restarting the nodes because {why}; the cluster loses its job history")
    start(cluster, options.build, bool(why))
    if changed.cloud:
        cluster.restart_cloud()
    return replace(changed, nodes=())


def given(options: argparse.Namespace) -> list[str]:
    """The arguments of `up` that were given, except --restart."""
    runtime = [] if options.runtime == "auto" else ["--runtime", options.runtime]
    return ["up", *runtime, *(["--build"] if options.build else [])]


def start(cluster: Runtime, build: bool, restart: bool) -> None:
    """Start the cluster. Raises Interrupted, naming what is running, on Ctrl-C."""
    try:
        cluster.up(build, restart)
    except KeyboardInterrupt:
        running = ", ".join(member.name for member in cluster.members() if member.running) or "nothing"
        raise Interrupted(f"Interrupted. Still running: {running}.", "Remove it: make cluster-down") from None


def choose(asked: str, context: Context) -> Choice:
    """The runtime of an existing cluster, otherwise the one that was asked for or detected.

    Raises OtherRuntime if a cluster exists with a runtime other than the one asked for.
    """
    from cluster import runtimes

    try:
        found = next(runtimes.existing(context), "")
    except NoEngine:
        if asked != "processes":  # --runtime processes abandons the cluster in Docker
            raise
        found = ""
    if found and asked not in ("auto", found):
        raise OtherRuntime(
            f"A cluster already exists with runtime {found}.", "Remove it first: make cluster-down"
        )
    if found:
        return Choice(found, "the existing cluster")
    return runtimes.choose(asked, runtimes.require_engine)


def run_down(options: argparse.Namespace, context: Context) -> None:
    """Stop and remove the cluster, whatever its runtime."""
    from cluster import applied, key, lock, runtimes, started
    from cluster.docker import mounts

    with lock.held(context.state):
        here = list(runtimes.existing(context))  # raises NoEngine before anything is removed
        removed = [part for name in here for part in runtimes.open_runtime(name, context).down()]
        key.remove(context.state)
        applied.remove(context.state)
        started.remove(context.state)
        mounts.remove(context.state)
    print(f"Removed: {', '.join(removed)}." if removed else "Nothing to remove.")


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
        print(f"\nDashboard: {context.dashboard.link}")


def run_scale(options: argparse.Namespace, context: Context) -> None:
    """Resize the given pools."""
    from cluster import lock, runtimes, sizes, started

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
