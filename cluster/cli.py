"""The command line: the only module that prints. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from cluster import config
from cluster.errors import ClusterError, Interrupted, OtherKind
from cluster.kinds import KINDS, Choice, Cluster, Context
from cluster.vertex import options as vertex
from raydock.printable import printable

NEXT = "python submit.py jobs/sklearn_joblib.py"


def main(argv: Sequence[str]) -> int:
    options = parser().parse_args(argv)
    try:
        run = vertex.chosen(options)
        context = read_context()
        run(options, context)
    except ClusterError as error:
        say(error.message)
        say(f"  {error.mend}", prefix="")
        return error.exit_code
    except KeyboardInterrupt:
        say("Interrupted. What is up: make cluster-status")
        return Interrupted.exit_code
    except Exception as fault:
        from raydock import crash

        say(crash.sentence("cluster", fault), prefix="")
        return crash.EXIT_CODE
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m cluster", description="Starts, shows and ends a Ray cluster: here, or on Vertex AI."
    )
    verbs = top.add_subparsers(metavar="COMMAND", required=True)
    up = verbs.add_parser("up", help="start the cluster of compose.yaml")
    up.add_argument(
        "--kind", choices=["auto", *KINDS], default="auto", help="auto: Docker if there is an engine"
    )
    up.add_argument("--build", action="store_true", help="build the images anew first")
    up.set_defaults(run=run_up)
    down = verbs.add_parser("down", help="end it and remove all of it")
    down.set_defaults(run=run_down)
    status = verbs.add_parser("status", help="show its nodes")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(run=run_status)
    scale = verbs.add_parser("scale", help="change the number of nodes of a pool")
    scale.add_argument("sizes", nargs="+", metavar="POOL=COUNT", help="for example cpu-worker=3")
    scale.add_argument(
        "--drain-timeout", type=seconds, default=60.0, metavar="S", help="for tasks on a node that goes (60)"
    )
    scale.set_defaults(run=run_scale)
    images = verbs.add_parser("images", help="build the images that are missing")
    images.add_argument("--build", action="store_true", help="build every one anew")
    images.set_defaults(run=run_images)
    vertex.add(verbs)
    return top


def seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError("not from 0 to 86400 seconds")
    return value


def read_context() -> Context:
    from cluster import topology

    settings = config.read(config.ROOT)
    shape = topology.load(config.ROOT, settings)
    return Context(config.ROOT, config.state_dir(settings), settings, shape, say)


def say(line: str, prefix: str = "cluster: ") -> None:
    shown = "\n".join(printable(part) for part in line.split("\n"))
    print(f"{prefix}{shown}", file=sys.stderr, flush=True)


def run_up(options: argparse.Namespace, context: Context) -> None:
    from cluster import applied, key, kinds, lock, services

    with lock.held(context.state):
        choice = choose(options.kind, context)
        key.ensure(context.state)
        cluster = kinds.open_kind(choice.kind, context)
        new = not cluster.exists()
        changed = applied.Changes() if new else applied.changes(context, cluster.members())
        if not options.build and cluster.members() and kinds.is_whole(cluster, context):
            if changed.cloud:
                services.check(context, new=False)
                say(f"restarting the lab's cloud, for these changed: {', '.join(changed.cloud)}")
                cluster.restart_cloud()
            else:
                say("it is up already; `python -m cluster scale POOL=COUNT` changes its size")
        else:
            services.check(context, new)
            say(f"{choice.kind}: {choice.why}")
            start(cluster, options.build)
            if changed.cloud:
                cluster.restart_cloud()
        applied.save(context.state, applied.accepted(context, changed))
        show(cluster, choice.kind, context)
    if changed.sizes:
        words = " ".join(f"{applied.SIZES[name]}={applied.size(name, context)}" for name in changed.sizes)
        say(
            f"changed, and not applied: {', '.join(changed.sizes)}. To apply: python -m cluster scale {words}"
        )
    if changed.nodes:
        say(
            f"changed, and not applied: {', '.join(changed.nodes)}. To apply: make cluster-down, make cluster-up"
        )
    print(f"\nDashboard: {context.dashboard.link}\nNext:      {NEXT}")


def start(cluster: Cluster, build: bool) -> None:
    try:
        cluster.up(build)
    except KeyboardInterrupt:
        left = ", ".join(found.name for found in cluster.members() if found.running) or "nothing that runs"
        raise Interrupted(f"Interrupted. Left: {left}.", "Remove it: make cluster-down") from None


def choose(asked: str, context: Context) -> Choice:
    """The kind of which something is here already, else the one asked for or found."""
    from cluster import kinds

    for kind in kinds.existing(context):
        if asked not in ("auto", kind):
            raise OtherKind(
                f"A cluster of the kind {kind} is here already.", "Remove it first: make cluster-down"
            )
        return Choice(kind, "the cluster that is here already")
    return kinds.choose(asked, kinds.require_engine)


def run_down(options: argparse.Namespace, context: Context) -> None:
    from cluster import applied, key, kinds, lock, mounts

    with lock.held(context.state):
        removed = [part for kind in kinds.existing(context) for part in kinds.open_kind(kind, context).down()]
        key.remove(context.state)
        applied.remove(context.state)
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
    from cluster import kinds, lock, scale

    wanted = [scale.parse(text) for text in options.sizes]
    sizes = [(context.topology.pool(name), count) for name, count in wanted]
    with lock.held(context.state):
        kind = kinds.current(context)
        cluster = kinds.open_kind(kind, context)
        for pool, count in sizes:
            cluster.scale(pool, count, options.drain_timeout)
        show(cluster, kind, context)


def run_images(options: argparse.Namespace, context: Context) -> None:
    from cluster.compose import open_cluster

    built = open_cluster(context).build(options.build)
    print(f"Built: {', '.join(built)}." if built else "Every image is there.")


def show(cluster: Cluster, kind: str, context: Context) -> None:
    from cluster import kinds, status

    print(status.table(kinds.found(cluster, context)))
    if ended := cluster.ended():
        say(f"{kinds.has_ended(ended)} Start what has ended: make cluster-up")
