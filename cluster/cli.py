"""The command line: the only module that prints. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cluster import vertex_options as vertex
from cluster.errors import NoEngine, OtherKind
from cluster.kinds import KINDS, Choice, Context, Runtime
from raydock import commandline, settings, state, units
from raydock.commandline import MEANT, line, near
from raydock.errors import Interrupted, RaydockError, UsageError
from raydock.printable import printable
from raydock.settings import ROOT
from raydock.topology import pool_size

if TYPE_CHECKING:
    from cluster.applied import Changes

PROG = "python -m cluster"
NEXT = "python submit.py jobs/sklearn_joblib.py"


def main(argv: Sequence[str]) -> int:
    try:
        options = parse(argv)
        run = vertex.chosen(options)
        context = read_context()
        run(options, context)
    except RaydockError as error:
        say(error.message)
        say(f"  {error.fix}", prefix="")
        return error.exit_code
    except KeyboardInterrupt:
        say("Interrupted. What is up: make cluster-status")
        return Interrupted.exit_code
    except Exception as fault:
        from raydock import crash

        say(crash.sentence("cluster", fault), prefix="")
        return crash.EXIT_CODE
    return 0


class ClusterParser(commandline.Parser):
    """A parser whose errors are ours."""

    fault = UsageError


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options. UsageError, with the whole line that was meant where one is likely."""
    top, words = parser(), list(argv)
    verbs: Mapping[str, ClusterParser] = next(
        action.choices for action in top._actions if isinstance(action, argparse._SubParsersAction)
    )
    if words and words[0] in verbs:
        return verbs[words[0]].checked(words[1:])
    if words and not words[0].startswith("-"):
        close = near(words[0], verbs, 0.6)
        meant = MEANT + line(PROG, [close, *words[1:]]) if close else f"commands: {', '.join(verbs)}"
        raise UsageError(f"{words[0]} is not a command of {PROG}.", meant)
    return top.checked(words)


def parser() -> ClusterParser:
    top = ClusterParser(prog=PROG, description="Starts, shows and ends a Ray cluster: here, or on Vertex AI.")
    verbs = top.add_subparsers(metavar="COMMAND", required=True)
    up = verbs.add_parser("up", help="start the cluster of compose.yaml")
    up.add_argument(
        "--kind", choices=["auto", *KINDS], default="auto", help="auto: Docker if there is an engine"
    )
    up.add_argument("--build", action="store_true", help="build the images anew first")
    up.add_argument(
        "--restart",
        action="store_true",
        help="restart the nodes, with changed settings; what runs there ends",
    )
    up.set_defaults(run=run_up)
    down = verbs.add_parser("down", help="end it and remove all of it")
    down.set_defaults(run=run_down)
    status = verbs.add_parser("status", help="show its nodes")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(run=run_status)
    scale = verbs.add_parser("scale", help="change the number of nodes of a pool")
    scale.add_argument("sizes", nargs="+", metavar="POOL=COUNT", help="for example cpu-worker=3")
    scale.add_argument(
        "--drain-timeout",
        type=seconds,
        default=60.0,
        metavar="TIME",
        help="for tasks on a node that goes (60s)",
    )
    scale.set_defaults(run=run_scale)
    images = verbs.add_parser("images", help="build the images that are missing")
    images.add_argument("--build", action="store_true", help="build every one anew")
    images.set_defaults(run=run_images)
    vertex.add(verbs)
    return top


def seconds(text: str) -> float:
    """How long; 0 for not at all."""
    try:
        return units.seconds(text, zero=True)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{fault}; {units.DURATION}") from None


def read_context() -> Context:
    from raydock import topology

    found = settings.read()
    return Context(ROOT, state.folder(found), found, topology.load(ROOT, found), say)


def say(line: str, prefix: str = "cluster: ") -> None:
    shown = "\n".join(printable(part) for part in line.split("\n"))
    print(f"{prefix}{shown}", file=sys.stderr, flush=True)


def run_up(options: argparse.Namespace, context: Context) -> None:
    from cluster import applied, key, kinds, lock, sizes

    with lock.held(context.state):
        choice = choose(options.kind, context)
        exists = kinds.open_kind(choice.kind, context).exists()
        context, sized = sizes.fitted(context, choice.kind, exists)
        key.ensure(context.state)
        cluster = kinds.open_kind(choice.kind, context)
        changed = bring_up(cluster, replace(choice, sizes=sized), options, context)
        applied.save(context.state, applied.accepted(context, changed))
        show(cluster, choice.kind, context)
    if changed.sizes:
        words = " ".join(f"{applied.SIZES[name]}={applied.size(name, context)}" for name in changed.sizes)
        say(
            f"changed, and not applied: {', '.join(changed.sizes)}. To apply: python -m cluster scale {words}"
        )
    print(f"\nDashboard: {context.dashboard.link}\nNext:      {NEXT}")


def bring_up(cluster: Runtime, choice: Choice, options: argparse.Namespace, context: Context) -> Changes:
    """Starts what is missing and applies what changed. Returns what is not applied. InUse where jobs would end."""
    from cluster import applied, kinds, restart
    from cluster.processes import services

    new, members = not cluster.exists(), cluster.members()
    changed = applied.Changes() if new else applied.changes(context, members)
    why = restart.reasons(changed, options.build, options.restart) if members else ""
    if why and not options.restart:
        restart.require_idle(why, members, context.dashboard, given(options))
    if not why and members and kinds.is_whole(cluster, context):
        if changed.cloud:
            services.check(context, new=False)
            say(f"restarting the lab's cloud, for these changed: {', '.join(changed.cloud)}")
            cluster.restart_cloud()
        else:
            say("it is up already; `python -m cluster scale POOL=COUNT` changes its size")
        return changed
    services.check(context, new)
    say(f"{choice.kind}: {choice.why}")
    if choice.sizes:
        say(choice.sizes)
    if why:
        say(f"restarting the nodes, since {why}; the cluster forgets its earlier jobs")
    start(cluster, options.build, bool(why))
    if changed.cloud:
        cluster.restart_cloud()
    return replace(changed, nodes=())


def given(options: argparse.Namespace) -> list[str]:
    """The words of `up` that were given."""
    kind = [] if options.kind == "auto" else ["--kind", options.kind]
    return ["up", *kind, *(["--build"] if options.build else [])]


def start(cluster: Runtime, build: bool, restart: bool) -> None:
    try:
        cluster.up(build, restart)
    except KeyboardInterrupt:
        left = ", ".join(found.name for found in cluster.members() if found.running) or "nothing that runs"
        raise Interrupted(f"Interrupted. Left: {left}.", "Remove it: make cluster-down") from None


def choose(asked: str, context: Context) -> Choice:
    """The kind of which something is here already, else the one asked for or found."""
    from cluster import kinds

    try:
        kind = next(kinds.existing(context), "")
    except NoEngine:
        if asked != "processes":  # who asks for that gives the other one up
            raise
        kind = ""
    if kind and asked not in ("auto", kind):
        raise OtherKind(
            f"A cluster of the kind {kind} is here already.", "Remove it first: make cluster-down"
        )
    if kind:
        return Choice(kind, "the cluster that is here already")
    return kinds.choose(asked, kinds.require_engine)


def run_down(options: argparse.Namespace, context: Context) -> None:
    from cluster import applied, key, kinds, lock, started
    from cluster.docker import mounts

    with lock.held(context.state):
        here = list(kinds.existing(context))  # NoEngine before anything is removed
        removed = [part for kind in here for part in kinds.open_kind(kind, context).down()]
        key.remove(context.state)
        applied.remove(context.state)
        started.remove(context.state)
        mounts.remove(context.state)
    print(f"Removed: {', '.join(removed)}." if removed else "There was nothing to remove.")


def run_status(options: argparse.Namespace, context: Context) -> None:
    from cluster import kinds, status

    kind = kinds.current(context)
    cluster = kinds.open_kind(kind, context)
    if options.json:
        found = kinds.found(cluster, context)
        print(json.dumps(status.as_json(kind, context.dashboard, found), indent=1))
    else:
        show(cluster, kind, context)
        print(f"\nDashboard: {context.dashboard.link}")


def run_scale(options: argparse.Namespace, context: Context) -> None:
    from cluster import kinds, lock, sizes, started

    context = sizes.of_running(context)
    wanted = [pool_size(text) for text in options.sizes]
    pools = [(context.topology.pool(name), count) for name, count in wanted]
    with lock.held(context.state):
        kind = kinds.current(context)
        cluster = kinds.open_kind(kind, context)
        for pool, count in pools:
            cluster.scale(pool, count, options.drain_timeout)
            started.scaled(context.state, pool.name, count)
        show(cluster, kind, context)


def run_images(options: argparse.Namespace, context: Context) -> None:
    from cluster.docker.cluster import open_cluster

    built = open_cluster(context).build(options.build)
    print(f"Built: {', '.join(built)}." if built else "Every image is there.")


def show(cluster: Runtime, kind: str, context: Context) -> None:
    from cluster import kinds, status

    print(status.table(kinds.found(cluster, context)))
    if ended := cluster.ended():
        say(f"{kinds.has_ended(ended)} Start what has ended: make cluster-up")
