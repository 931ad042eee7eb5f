"""The commands for `--target vertex`. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cluster import vertex_text
from cluster.errors import ClusterError
from cluster.runtimes import Context
from cluster.vertex_errors import translate_errors
from raydock.errors import Interrupted, NotUp, UsageError
from raydock.gcp.tokens import AccessToken
from raydock.settings import ROOT
from raydock.terminal import prompt
from vertex import cluster_options, lifecycle, plan, service_agent
from vertex.client import VertexClient
from vertex.cluster import Cluster
from vertex.errors import ClusterNotFound
from vertex.lifecycle import ClusterWaiter, again
from vertex.location import Location, location_of
from vertex.plan import ClusterPlan

if TYPE_CHECKING:
    from raydock.rayapi.blocking import BlockingDashboard

JOB = "jobs/sklearn_joblib.py"


def run(verb: str, options: argparse.Namespace, context: Context) -> None:
    """Run one command. Errors of Vertex AI are raised as ClusterError or UsageError."""
    with translate_errors():
        try:
            VERBS[verb](options, context)
        except KeyboardInterrupt:
            raise Interrupted(
                "Interrupted. The operation continues on Vertex AI.",
                "Check its state: python -m cluster status --target vertex",
            ) from None


def client_and_cluster(options: argparse.Namespace, context: Context) -> tuple[VertexClient, str]:
    """The client for the location, and the cluster's name, or "" if none is given."""

    def setting(name: str, default: str) -> str:
        return context.settings.get(name) or default

    location, cluster = location_of(options.project, options.region, options.cluster, setting)
    return VertexClient(location), cluster


def require_cluster(options: argparse.Namespace, context: Context, verb: str) -> tuple[VertexClient, str]:
    """Like client_and_cluster, but raises UsageError if no cluster is given."""
    api, cluster = client_and_cluster(options, context)
    if not cluster:
        raise UsageError(
            f"{verb}: no cluster given.",
            f"Add --cluster NAME; to list the clusters: {again('status', api.location)}",
        )
    return api, cluster


def confirm(question: str, yes: bool, nothing: str) -> None:
    """Ask on the terminal, unless `yes`. Raises UsageError if there is no terminal, ClusterError if the answer is no.

    `nothing` says what did not happen, for example "Nothing was deleted".
    """
    if not yes and not prompt.confirmed(question, nothing):
        raise ClusterError(f"{nothing}.", "Answer y to confirm, or add --yes.")


def run_up(options: argparse.Namespace, context: Context) -> None:
    """Show the plan, create the cluster after confirmation, and wait until it is RUNNING."""
    from vertex.request import resource_of

    deadline = cluster_options.seconds(options.deadline, "--deadline")
    if options.max_idle:
        cluster_options.seconds(options.max_idle, "--max-idle")
    api, planned = client_and_plan(options, context)
    if options.dry_run:
        print(
            f"{vertex_text.plan(planned, service_agent.agent(api.location))}\n\nNothing was created (--dry-run)."
        )
        return
    found = find(api, planned.cluster)
    if found is None:
        resource = resource_of(planned)
        print(vertex_text.plan(planned, service_agent.agent(api.location)), flush=True)
        confirm("Create it?", options.yes, "Nothing was created")
        if not lifecycle.create(api, planned.cluster, resource):
            context.say(f"{planned.cluster} already exists (created concurrently)")
    else:
        since = (
            f", requested {cluster_options.span(time.time() - found.created)} ago" if found.created else ""
        )
        context.say(f"{found.id} already exists: {found.state}{since}; not creating another")
        lifecycle.refuse_dead(found, api.location)
    if found is None or found.state != "RUNNING":
        found = lifecycle.come(ClusterWaiter(api, planned.cluster, deadline, context.say))
    print(f"\n{vertex_text.cluster(found)}\n\n{next_steps(api.location, found)}")
    if options.max_idle:
        print(f"\n{idle_lines(api.location, found.id, options.max_idle)}")


def client_and_plan(options: argparse.Namespace, context: Context) -> tuple[VertexClient, ClusterPlan]:
    """The client for the location, and the plan made of the flags and compose.yaml.

    Without --cluster, the cluster is named after the Compose project.
    """
    api, cluster = client_and_cluster(options, context)
    asked = cluster_options.wishes_of(
        options.service_account, options.network, options.label, options.autoscale, options.image
    )
    cluster = cluster or context.topology.project.replace("_", "-")
    return api, plan.plan_of(context.topology, cluster, api.location, asked)


def find(api: VertexClient, cluster: str) -> Cluster | None:
    """The cluster, or None if there is none with this name."""
    try:
        return api.get(cluster)
    except ClusterNotFound:
        return None


def next_steps(location: Location, found: Cluster) -> str:
    """The commands that submit a job to the cluster and that delete it."""
    flags = f"--target vertex {location.flags}--cluster {found.id}"
    return f"Next:    python submit.py {flags} {JOB}\nDelete:  {again('down', location, found.id)}"


def idle_lines(location: Location, cluster: str, text: str) -> str:
    """The commands that delete the cluster once it is idle: one for a terminal, one for crontab."""
    command = again("idle", location, cluster, f"--max-idle {text}")
    python = shlex.quote(sys.executable)
    once = f"cd {shlex.quote(str(ROOT))} && {python}{command.removeprefix('python')} --once"
    return (
        f"Vertex AI does not delete an idle cluster. To have it deleted, run:\n  {command}\n"
        f"or add this to your crontab (`crontab -e`):\n  */5 * * * * {once.replace('%', chr(92) + '%')}"
    )


def run_down(options: argparse.Namespace, context: Context) -> None:
    """Delete the cluster after confirmation, and wait until it is gone."""
    api, cluster = require_cluster(options, context, "down")
    found = api.get(cluster)
    nodes = vertex_text.count(sum(pool.nodes for pool in found.pools), "node")
    print(
        f"{cluster} in {api.location.project}, {api.location.region}: {found.state}, {nodes}",
        flush=True,
    )
    stopping = found.state == "STOPPING"
    confirm("Delete it? This ends its running jobs.", options.yes or stopping, "Nothing was deleted")
    lifecycle.delete(
        ClusterWaiter(api, cluster, cluster_options.seconds(options.deadline, "--deadline"), context.say)
    )
    print(f"Deleted: {cluster}. {remaining(api)}")


def remaining(api: VertexClient) -> str:
    """Say which clusters still exist in the location, and so still bill."""
    others = [f"{one.id} ({one.state})" for one in api.all()]
    location = f"{api.location.project}, {api.location.region}"
    text = f"Still in {location}: {', '.join(others)}." if others else f"No clusters are left in {location}."
    return f"{text}\nBuckets, logs and service accounts were not changed."


def run_status(options: argparse.Namespace, context: Context) -> None:
    """Show one cluster, or all clusters in the location. Raises NotUp if there are none."""
    api, cluster = client_and_cluster(options, context)
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
            f"There are no Ray clusters in {api.location.project}, {api.location.region}.",
            f"Create one: {again('up', api.location)}",
        )


def run_scale(options: argparse.Namespace, context: Context) -> None:
    """Resize pools of the cluster, and wait until it is RUNNING again."""
    from vertex import resize

    api, cluster = require_cluster(options, context, "scale")
    waiter = ClusterWaiter(api, cluster, cluster_options.seconds(options.deadline, "--deadline"), context.say)
    print(vertex_text.cluster(resize.change(waiter, context.topology, options.sizes)))


def run_idle(options: argparse.Namespace, context: Context) -> None:
    """Delete the cluster once it has been idle for --max-idle. Raises NotUp if `--once` can't tell whether it is."""
    from vertex import idle

    api, cluster = require_cluster(options, context, "idle")
    most = cluster_options.seconds(options.max_idle, "--max-idle")
    watcher = idle.Idle(api, cluster, most, context.say, AccessToken())
    verdict = watcher.once() if options.once else watcher.watch()
    if verdict.kind == "unknown":
        raise NotUp(idle.line(cluster, verdict), f"See: {again('status', api.location, cluster)}")
    print(idle.line(cluster, verdict))


def run_diff(options: argparse.Namespace, context: Context) -> None:
    """Compare the local cluster with the one on Vertex AI."""
    from raydock.rayapi.blocking import local as local_dashboard
    from vertex import diff, job_needs
    from vertex.cluster_info import read_cluster_summary
    from vertex.dashboard import managed

    api, cluster = require_cluster(options, context, "diff")
    needs = job_needs.read(Path(options.job)) if options.job else None
    with local_dashboard(context.dashboard) as dashboard:
        principal = lab_principal(dashboard)
        local = read_cluster_summary(dashboard, principal)
    found = api.get(cluster)
    with managed(found, AccessToken()) as dashboard:
        remote = read_cluster_summary(dashboard, found.principal, found.python)
    print(vertex_text.comparison(diff.rows(local, remote, needs), local, remote))


def lab_principal(dashboard: BlockingDashboard) -> str:
    """The principal of jobs in the lab; "" if the dashboard has no lab cloud."""
    reply = dashboard.get("/lab/", frozenset({200, 404}))
    return str(dashboard.endpoint.parsed(reply).get("job", "")) if reply.status_code == 200 else ""


VERBS = {
    "run_up": run_up,
    "run_down": run_down,
    "run_status": run_status,
    "run_scale": run_scale,
    "run_idle": run_idle,
    "run_diff": run_diff,
}
