"""The verbs of `--target vertex`: the one module here that prints. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path

from cluster import vertex_text
from cluster.errors import ClusterError, Interrupted, NotUp
from cluster.runtimes import Context
from cluster.vertex_errors import told
from raydock.errors import UsageError
from raydock.gcp.tokens import AccessToken
from raydock.settings import ROOT
from vertex import cluster_options, lifecycle, plan, service_agent
from vertex.client import VertexClient
from vertex.cluster import Cluster
from vertex.errors import ClusterNotFound
from vertex.lifecycle import ClusterWaiter, again
from vertex.location import Location, location_of
from vertex.plan import ClusterPlan

JOB = "jobs/sklearn_joblib.py"


def run(verb: str, options: argparse.Namespace, context: Context) -> None:
    """Runs one verb. Every fault is a ClusterError."""
    with told():
        try:
            VERBS[verb](options, context)
        except KeyboardInterrupt:
            raise Interrupted(
                "Interrupted. What was asked of Vertex AI goes on there.",
                "See what is there: python -m cluster status --target vertex",
            ) from None


def where(options: argparse.Namespace, context: Context) -> tuple[VertexClient, str]:
    """The place and the cluster's name, "" where none is named."""

    def setting(name: str, default: str) -> str:
        return context.settings.get(name) or default

    location, cluster = location_of(options.project, options.region, options.cluster, setting)
    return VertexClient(location), cluster


def named(options: argparse.Namespace, context: Context, verb: str) -> tuple[VertexClient, str]:
    """The same for a verb that needs a cluster. UsageError where none is named."""
    api, cluster = where(options, context)
    if not cluster:
        raise UsageError(
            f"{verb}: it is not said which cluster.", f"See which there are: {again('status', api.location)}"
        )
    return api, cluster


def confirm(question: str, yes: bool, nothing: str) -> None:
    """Asks on a terminal. UsageError where there is none, ClusterError for a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"{nothing}: there is no terminal to ask on.", "To do it without being asked, add --yes."
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        raise Interrupted(f"Interrupted. {nothing}.", "Run it again to be asked again.") from None
    if answer.strip().lower() not in ("y", "yes"):
        raise ClusterError(f"{nothing}.", "Answer y to do it, or add --yes.")


def run_up(options: argparse.Namespace, context: Context) -> None:
    from vertex.request import resource_of

    deadline = cluster_options.seconds(options.deadline, "--deadline")
    if options.max_idle:
        cluster_options.seconds(options.max_idle, "--max-idle")
    api, wanted = planned(options, context)
    if options.dry_run:
        print(
            f"{vertex_text.plan(wanted, service_agent.agent(api.location))}\n\nNothing was created (--dry-run)."
        )
        return
    found = present(api, wanted.cluster)
    if found is None:
        resource = resource_of(wanted)
        print(vertex_text.plan(wanted, service_agent.agent(api.location)), flush=True)
        confirm("Create it?", options.yes, "Nothing was created")
        if not lifecycle.create(api, wanted.cluster, resource):
            context.say(f"{wanted.cluster} is there already: somebody was quicker")
    else:
        since = (
            f", asked for {cluster_options.span(time.time() - found.created)} ago" if found.created else ""
        )
        context.say(f"{found.id} is there already: {found.state}{since}; nothing new is made")
        lifecycle.refuse_dead(found, api.location)
    if found is None or found.state != "RUNNING":
        found = lifecycle.come(ClusterWaiter(api, wanted.cluster, deadline, context.say))
    print(f"\n{vertex_text.cluster(found)}\n\n{next_steps(api.location, found)}")
    if options.max_idle:
        print(f"\n{idle_lines(api.location, found.id, options.max_idle)}")


def planned(options: argparse.Namespace, context: Context) -> tuple[VertexClient, ClusterPlan]:
    """The place, and what the command line and compose.yaml want there. The cluster's name is the project's."""
    api, cluster = where(options, context)
    asked = cluster_options.wishes_of(
        options.service_account, options.network, options.label, options.autoscale, options.image
    )
    cluster = cluster or context.topology.project.replace("_", "-")
    return api, plan.plan_of(context.topology, cluster, api.location, asked)


def present(api: VertexClient, cluster: str) -> Cluster | None:
    try:
        return api.get(cluster)
    except ClusterNotFound:
        return None


def next_steps(location: Location, found: Cluster) -> str:
    flags = f"--target vertex {location.flags}--cluster {found.id}"
    return f"Next:    python submit.py {flags} {JOB}\nDelete:  {again('down', location, found.id)}"


def idle_lines(location: Location, cluster: str, text: str) -> str:
    """What deletes the cluster when it is idle: for a terminal, and as a line for crontab."""
    command = again("idle", location, cluster, f"--max-idle {text}")
    python = shlex.quote(sys.executable)
    once = f"cd {shlex.quote(str(ROOT))} && {python}{command.removeprefix('python')} --once"
    return (
        f"Nothing deletes it when it is idle, unless one of these runs:\n  {command}\n"
        f"or, in your crontab (`crontab -e`):\n  */5 * * * * {once.replace('%', chr(92) + '%')}"
    )


def run_down(options: argparse.Namespace, context: Context) -> None:
    api, cluster = named(options, context, "down")
    found = api.get(cluster)
    nodes = vertex_text.count(sum(pool.nodes for pool in found.pools), "node")
    print(
        f"{cluster} in {api.location.project}, {api.location.region}: {found.state}, {nodes}",
        flush=True,
    )
    going = found.state == "STOPPING"
    confirm("Delete it? Jobs that run there end.", options.yes or going, "Nothing was deleted")
    lifecycle.delete(
        ClusterWaiter(api, cluster, cluster_options.seconds(options.deadline, "--deadline"), context.say)
    )
    print(f"Deleted: {cluster}. {left(api)}")


def left(api: VertexClient) -> str:
    """What is still there, and costs."""
    others = [f"{one.id} ({one.state})" for one in api.all()]
    location = f"{api.location.project}, {api.location.region}"
    said = f"Left in {location}: {', '.join(others)}." if others else f"No cluster is left in {location}."
    return f"{said}\nBuckets, logs and service accounts stay as they were."


def run_status(options: argparse.Namespace, context: Context) -> None:
    api, cluster = where(options, context)
    found = [api.get(cluster)] if cluster else api.all()
    if options.json:
        print(json.dumps(vertex_text.as_json(api.location, found), indent=1))
    elif cluster:
        print(vertex_text.cluster(found[0]))
        if found[0].state == "RUNNING":
            print(f"\n{next_steps(api.location, found[0])}")
    elif found:
        print(vertex_text.clusters(found))
    else:
        raise NotUp(
            f"There is no Ray cluster in {api.location.project}, {api.location.region}.",
            f"Make one: {again('up', api.location)}",
        )


def run_scale(options: argparse.Namespace, context: Context) -> None:
    from vertex import resize

    api, cluster = named(options, context, "scale")
    watch = ClusterWaiter(api, cluster, cluster_options.seconds(options.deadline, "--deadline"), context.say)
    print(vertex_text.cluster(resize.change(watch, context.topology, options.sizes)))


def run_idle(options: argparse.Namespace, context: Context) -> None:
    from vertex import idle

    api, cluster = named(options, context, "idle")
    most = cluster_options.seconds(options.max_idle, "--max-idle")
    watcher = idle.Idle(api, cluster, most, context.say, AccessToken())
    verdict = watcher.once() if options.once else watcher.watch()
    if verdict.kind == "unknown":
        raise NotUp(idle.line(cluster, verdict), f"See: {again('status', api.location, cluster)}")
    print(idle.line(cluster, verdict))


def run_diff(options: argparse.Namespace, context: Context) -> None:
    from vertex import diff, job_needs
    from vertex.cluster_info import read_cluster_summary
    from vertex.dashboard import LocalDashboard, managed

    api, cluster = named(options, context, "diff")
    needs = job_needs.read(Path(options.job)) if options.job else None
    here = LocalDashboard(context.dashboard)
    told_here = here.get("/lab/")
    lab = json.loads(told_here.body) if told_here.status == 200 else {}
    local = read_cluster_summary(here, str(lab.get("job", "")))
    found = api.get(cluster)
    dashboard = managed(found, AccessToken())
    with dashboard.client:
        there = read_cluster_summary(dashboard, found.principal, found.python)
    print(vertex_text.comparison(diff.rows(local, there, needs), local, there))


VERBS = {
    "run_up": run_up,
    "run_down": run_down,
    "run_status": run_status,
    "run_scale": run_scale,
    "run_idle": run_idle,
    "run_diff": run_diff,
}
