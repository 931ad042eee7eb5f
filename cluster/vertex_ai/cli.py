"""The commands for `--target vertex`. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from cluster.confirmation import confirm
from cluster.runtimes import Context
from cluster.vertex_ai import cluster_text, plan_text
from cluster.vertex_ai.errors import translate_errors
from cluster.vertex_ai.next_steps import idle_lines, next_steps
from raydock import units
from raydock.errors import Interrupted, NotUp, UsageError
from raydock.gcp.tokens import AccessToken
from vertex import lifecycle, service_agent
from vertex.client import VertexClient
from vertex.cluster import Cluster
from vertex.errors import ClusterNotFound
from vertex.lifecycle import ClusterWaiter, command_line
from vertex.location import resolve_location
from vertex.spec import plan
from vertex.spec.options import parse_duration, parse_options
from vertex.spec.plan import ClusterPlan


def run(verb: str, options: argparse.Namespace, context: Context) -> None:
    """Run one command. Errors from Vertex AI are raised as ClusterError or UsageError."""
    with translate_errors():
        try:
            VERBS[verb](options, context)
        except KeyboardInterrupt:
            raise Interrupted(
                "Interrupted. What was begun continues on Vertex AI.",
                "Check its state: python -m cluster status --target vertex",
            ) from None


def client_and_cluster(options: argparse.Namespace, context: Context) -> tuple[VertexClient, str]:
    """The client for the location, and the cluster's name, which is "" if none is given."""

    def setting(name: str, default: str) -> str:
        return context.settings.get(name) or default

    location, cluster = resolve_location(options.project, options.region, options.cluster, setting)
    return VertexClient(location), cluster


def require_cluster(options: argparse.Namespace, context: Context, verb: str) -> tuple[VertexClient, str]:
    """Like client_and_cluster, but raises UsageError if no cluster is given."""
    client, cluster = client_and_cluster(options, context)
    if not cluster:
        raise UsageError(
            f"{verb}: no cluster given.",
            f"Add --cluster NAME; to list the clusters: {command_line('status', client.location)}",
        )
    return client, cluster


def run_up(options: argparse.Namespace, context: Context) -> None:
    """Show the plan, create the cluster after confirmation, and wait until it is RUNNING."""
    from vertex.spec.request import resource_of

    deadline = parse_duration(options.deadline, "--deadline")
    if options.max_idle:
        parse_duration(options.max_idle, "--max-idle")
    client, planned = client_and_plan(options, context)
    if options.dry_run:
        print(
            f"{plan_text.plan(planned, service_agent.address(client.location))}\n\nNothing was created (--dry-run)."
        )
        return
    found = find(client, planned.cluster)
    if found is None:
        resource = resource_of(planned)
        print(plan_text.plan(planned, service_agent.address(client.location)), flush=True)
        if not options.yes:
            confirm("Create it?", "Nothing was created")
        if not lifecycle.create(client, planned.cluster, resource):
            context.say(f"{planned.cluster} already exists (created concurrently)")
    else:
        since = f", requested {units.span(time.time() - found.created)} ago" if found.created else ""
        context.say(f"{found.id} already exists: {found.state}{since}; not creating another")
        lifecycle.raise_if_failed(found, client.location)
    if found is None or found.state != "RUNNING":
        found = lifecycle.wait_until_running(ClusterWaiter(client, planned.cluster, deadline, context.say))
    print(f"\n{cluster_text.cluster(found)}\n\n{next_steps(client.location, found)}")
    if options.max_idle:
        print(f"\n{idle_lines(client.location, found.id, options.max_idle)}")


def client_and_plan(options: argparse.Namespace, context: Context) -> tuple[VertexClient, ClusterPlan]:
    """The client for the location, and the plan that results from the flags and compose.yaml.

    Without --cluster, the cluster is named after the Compose project.
    """
    client, cluster = client_and_cluster(options, context)
    parsed = parse_options(
        options.service_account, options.network, options.label, options.autoscale, options.image
    )
    cluster = cluster or context.topology.project.replace("_", "-")
    return client, plan.plan_of(context.topology, cluster, client.location, parsed)


def find(client: VertexClient, cluster: str) -> Cluster | None:
    """The cluster, or None if no cluster has this name."""
    try:
        return client.get(cluster)
    except ClusterNotFound:
        return None


def run_down(options: argparse.Namespace, context: Context) -> None:
    """Delete the cluster after confirmation, and wait until it is gone."""
    client, cluster = require_cluster(options, context, "down")
    found = client.get(cluster)
    nodes = units.counted(sum(pool.nodes for pool in found.pools), "node")
    print(
        f"{cluster} in {client.location.project}, {client.location.region}: {found.state}, {nodes}",
        flush=True,
    )
    stopping = found.state == "STOPPING"
    if not (options.yes or stopping):
        confirm("Delete it? This kills its running jobs.", "Nothing was deleted")
    lifecycle.delete(
        ClusterWaiter(client, cluster, parse_duration(options.deadline, "--deadline"), context.say)
    )
    print(f"Deleted: {cluster}. {remaining(client)}")


def remaining(client: VertexClient) -> str:
    """List the clusters that remain in the location, and are therefore still billed."""
    others = [f"{one.id} ({one.state})" for one in client.list_clusters()]
    location = f"{client.location.project}, {client.location.region}"
    still = f"Still in {location}: {', '.join(others)}." if others else f"No clusters are left in {location}."
    return f"{still}\nBuckets, logs and service accounts were not changed."


def run_status(options: argparse.Namespace, context: Context) -> None:
    """Show one cluster, or all clusters in the location. Raises NotUp if none exist."""
    client, cluster = client_and_cluster(options, context)
    found = [client.get(cluster)] if cluster else client.list_clusters()
    if options.json:
        print(json.dumps(cluster_text.as_json(client.location, found), indent=1))
    elif cluster:
        print(cluster_text.cluster(found[0]))
        if found[0].state == "RUNNING":
            print(f"\n{next_steps(client.location, found[0])}")
    elif found:
        print(cluster_text.clusters(found))
    else:
        raise NotUp(
            f"There are no Ray clusters in {client.location.project}, {client.location.region}.",
            f"Create one: {command_line('up', client.location)}",
        )


def run_scale(options: argparse.Namespace, context: Context) -> None:
    """Resize pools in the cluster, and wait until it is RUNNING again."""
    from vertex import resize

    client, cluster = require_cluster(options, context, "scale")
    waiter = ClusterWaiter(client, cluster, parse_duration(options.deadline, "--deadline"), context.say)
    print(cluster_text.cluster(resize.resize(waiter, context.topology, options.sizes)))


def run_idle(options: argparse.Namespace, context: Context) -> None:
    """Delete the cluster once it has been idle for --max-idle. With `--once`, raises NotUp if that is unknown."""
    from raydock.rayapi.idle import message
    from vertex import idle

    client, cluster = require_cluster(options, context, "idle")
    most = parse_duration(options.max_idle, "--max-idle")
    watcher = idle.IdleWatcher(client, cluster, most, context.say, AccessToken())
    verdict = watcher.check_once() if options.once else watcher.watch()
    if verdict.kind == "unknown":
        raise NotUp(message(cluster, verdict), f"See: {command_line('status', client.location, cluster)}")
    print(message(cluster, verdict))


def run_diff(options: argparse.Namespace, context: Context) -> None:
    """Compare the local cluster with the one on Vertex AI."""
    from cluster.comparison import diff, job_needs, text
    from cluster.comparison.cluster_summary import lab_principal, read_cluster_summary
    from raydock.rayapi.blocking import local as local_dashboard
    from vertex.dashboard import managed

    client, cluster = require_cluster(options, context, "diff")
    needs = job_needs.read_needs(Path(options.job)) if options.job else None
    with local_dashboard(context.dashboard) as dashboard:
        principal = lab_principal(dashboard)
        local = read_cluster_summary(dashboard, principal)
    found = client.get(cluster)
    with managed(found, AccessToken()) as dashboard:
        remote = read_cluster_summary(dashboard, found.principal, found.python)
    print(text.comparison(diff.differences(local, remote, needs, "Vertex AI"), local, remote, "vertex"))


VERBS = {
    "run_up": run_up,
    "run_down": run_down,
    "run_status": run_status,
    "run_scale": run_scale,
    "run_idle": run_idle,
    "run_diff": run_diff,
}
