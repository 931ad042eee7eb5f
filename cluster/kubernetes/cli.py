"""The commands for `--target kuberay`. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cluster import manifest
from cluster.confirmation import confirm
from cluster.kubernetes import cluster_text, plan_text
from cluster.kubernetes.errors import translate_errors
from cluster.runtimes import Context
from cluster.targets import idle_command
from kuberay import kubeconfig, lifecycle, lookup, waiting
from kuberay.access import LIST_CLUSTERS, raise_if_namespace_missing, require
from kuberay.client import KubeClient
from kuberay.cluster import RayCluster, cluster_of, head_service
from kuberay.lifecycle import Proposal
from kuberay.reasons import why_not_ready
from kuberay.waiting import ClusterWaiter, command_line
from raydock import units
from raydock.errors import Interrupted, NotUp, UsageError


def run(verb: str, options: argparse.Namespace, context: Context) -> None:
    """Run one command. Errors from Kubernetes are raised with this command's exit codes."""
    with translate_errors():
        try:
            with KubeClient(kubeconfig.load(options.context, options.namespace)) as client:
                VERBS[verb](client, options, context)
        except KeyboardInterrupt:
            raise Interrupted(
                "Interrupted. What was begun continues on Kubernetes.",
                "Check its state: python -m cluster status --target kuberay",
            ) from None


def require_cluster(client: KubeClient, options: argparse.Namespace, verb: str) -> str:
    """The cluster's name. Raises UsageError if none is given."""
    if not options.cluster:
        listed = command_line("status", client.context)
        raise UsageError(f"{verb}: no cluster given.", f"Add --cluster NAME; to list the clusters: {listed}")
    return str(options.cluster)


def waiter_of(client: KubeClient, name: str, options: argparse.Namespace, context: Context) -> ClusterWaiter:
    """Waits for --deadline."""
    return ClusterWaiter(client, name, duration(options.deadline, "--deadline"), context.say)


def duration(text: str, flag: str) -> float:
    """Parse a duration into seconds. Raises UsageError."""
    try:
        return units.seconds(text)
    except ValueError as fault:
        raise UsageError(f"{flag} {fault}.", f"Example: {flag} 30m") from None


def run_up(client: KubeClient, options: argparse.Namespace, context: Context) -> None:
    """Show the plan, create or change the cluster after confirmation, and wait until it is ready."""
    from kuberay.manifest import raycluster

    if options.max_idle:
        duration(options.max_idle, "--max-idle")
    asked = manifest.manifest_options(options, context, options.cluster, client.context.namespace)
    waiter = waiter_of(client, asked.name, options, context)
    proposal = lifecycle.propose(client, raycluster(context.topology, asked), options.force_conflicts)
    if options.dry_run:
        print(plan_text.dry_run(client.context, proposal))
        return
    apply(client, proposal, options.yes, context)
    found = waiting.wait_until_settled(waiter)
    print(f"\n{cluster_text.cluster(found)}\n\n{cluster_text.next_steps(client.context, found)}")
    if options.max_idle:
        idle = command_line("idle", client.context, found.name, f"--max-idle {options.max_idle}")
        print(f"\n{idle_command.lines('KubeRay', idle)}")


def apply(client: KubeClient, proposal: Proposal, yes: bool, context: Context) -> None:
    """Create or change the cluster after confirmation, unless it is already as proposed."""
    found = proposal.found
    if found and not proposal.changes:
        context.say(f"{found.name} already exists: {found.described_state}; nothing to change")
        return
    print(plan_text.plan(client.context, proposal), flush=True)
    if not yes:
        question = "Change it?" if found else "Create it?"
        confirm(question, "Nothing was changed" if found else "Nothing was created")
    lifecycle.apply(client, proposal)


def run_down(client: KubeClient, options: argparse.Namespace, context: Context) -> None:
    """Delete the cluster after confirmation, and wait until it and its pods are gone."""
    name = require_cluster(client, options, "down")
    waiter = waiter_of(client, name, options, context)
    lifecycle.require(client, name, "get", "delete")
    found = lookup.read(client, name)
    if not found.deleting:
        lifecycle.raise_if_unchangeable(found, client)
    pods = units.counted(sum(group.replicas for group in found.groups), "pod")
    print(f"{name} in {place(client)}: {found.described_state}, {pods}", flush=True)
    if not (options.yes or found.deleting):
        confirm("Delete it? This kills its running jobs.", "Nothing was deleted")
    waiting.delete(waiter, found)
    print(f"Deleted: {name}. Service accounts, secrets and images were not changed.")


def place(client: KubeClient) -> str:
    """Where the clusters are, for messages."""
    return f"namespace {client.context.namespace} of context {client.context.name}"


def run_status(client: KubeClient, options: argparse.Namespace, context: Context) -> None:
    """Show one cluster, or all clusters of the namespace. Raises NotUp if none exist."""
    name = options.cluster
    found = [one_cluster(client, name)] if name else all_clusters(client)
    why = {one.name: "" if one.ready else why_not_ready(client, one) for one in found}
    if options.json:
        print(json.dumps(cluster_text.as_json(client.context, found, why), indent=1))
    elif name:
        print(cluster_text.cluster(found[0], why[name]))
        if found[0].ready:
            print(f"\n{cluster_text.next_steps(client.context, found[0])}")
    elif found:
        print(cluster_text.clusters(found, why))
    else:
        raise_if_namespace_missing(client)
        raise NotUp(
            f"There are no RayClusters in {place(client)}.",
            f"Create one: {command_line('up', client.context)}",
        )


def one_cluster(client: KubeClient, name: str) -> RayCluster:
    """The named cluster."""
    lifecycle.require(client, name, "get")
    return lookup.read(client, name)


def all_clusters(client: KubeClient) -> list[RayCluster]:
    """The clusters of the namespace. Raises ClusterNotFound if the namespace or KubeRay is missing."""
    require(client, [LIST_CLUSTERS])
    return [cluster_of(one) for one in lookup.listed(client)]


def run_scale(client: KubeClient, options: argparse.Namespace, context: Context) -> None:
    """Resize worker groups, and wait until their pods run."""
    name = require_cluster(client, options, "scale")
    print(cluster_text.cluster(lifecycle.scale(waiter_of(client, name, options, context), options.sizes)))


def run_idle(client: KubeClient, options: argparse.Namespace, context: Context) -> None:
    """Delete the cluster once it has been idle for --max-idle. With `--once`, raises NotUp if that is unknown."""
    from kuberay import access
    from kuberay.idle import IdleWatcher
    from raydock.rayapi.idle import message

    name = require_cluster(client, options, "idle")
    most = duration(options.max_idle, "--max-idle")
    lifecycle.require(client, name, "delete")
    require(client, access.needed_for(name, head_service(name), ("GET",)))
    watcher = IdleWatcher(client, name, most, context.say)
    status = watcher.check_once() if options.once else watcher.watch()
    if status.kind == "unknown":
        raise NotUp(message(name, status), f"See: {command_line('status', client.context, name)}")
    print(message(name, status))


def run_diff(client: KubeClient, options: argparse.Namespace, context: Context) -> None:
    """Compare the local cluster with the RayCluster, through their dashboards."""
    from cluster.comparison import diff, job_needs, text
    from cluster.comparison.cluster_summary import lab_principal, read_cluster_summary
    from kuberay.identity import identities
    from kuberay.idle import dashboard as remote_dashboard
    from raydock.rayapi.blocking import local as local_dashboard

    name = require_cluster(client, options, "diff")
    needs = job_needs.read_needs(Path(options.job)) if options.job else None
    with local_dashboard(context.dashboard) as dashboard:
        local = read_cluster_summary(dashboard, lab_principal(dashboard))
    found = lookup.find(client, name, ("GET",))
    if not found.ready:
        raise NotUp(
            f"{name} is {found.described_state}, so it can't be compared.",
            f"See: {command_line('status', client.context, name)}",
        )
    principals = cluster_text.principals(identities(client, found))
    with remote_dashboard(client, found) as dashboard:
        remote = read_cluster_summary(dashboard, principals)
    rows = diff.differences(local, remote, needs, "the RayCluster")
    print(text.comparison(rows, local, remote, "kuberay"))


VERBS = {
    "run_up": run_up,
    "run_down": run_down,
    "run_status": run_status,
    "run_scale": run_scale,
    "run_idle": run_idle,
    "run_diff": run_diff,
}
