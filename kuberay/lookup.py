"""Find a cluster, and how to reach the dashboard of its head."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from kuberay import access
from kuberay.client import RAY, KubeClient, connection, namespaced
from kuberay.cluster import RayCluster, cluster_of, head_service
from kuberay.errors import ClusterNotFound, NotConfigured
from kuberay.kubeconfig import KubeContext
from raydock.answers import mapping, text
from raydock.rayapi.connection import Connection

TOKEN = "RAY_AUTH_TOKEN"  # Ray's own variable, from 2.52 on
RAY_HEADER = "X-Ray-Authorization"
INSTALL = (
    "https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/kuberay-operator-installation.html"
)
PAGE = "http://127.0.0.1:8001"  # where `kubectl proxy` listens


def find(client: KubeClient, name: str, methods: Sequence[str]) -> RayCluster:
    """The named cluster or the only one of the namespace, after checking that the caller may use its dashboard.

    Raises AccessDenied, ClusterNotFound, NotConfigured.
    """
    name = name or only_cluster(client)
    access.require(client, access.needed_for(name, head_service(name), methods))
    found = read(client, name)
    if found.service != head_service(name):
        access.require(client, access.needed_for(name, found.service, methods))
    return found


def read(client: KubeClient, name: str) -> RayCluster:
    """The cluster's current state. Raises ClusterNotFound."""
    context = client.context
    try:
        return cluster_of(client.get(namespaced(RAY, context.namespace, "rayclusters", name)))
    except ClusterNotFound as fault:
        raise missing(client, name, fault) from None


def missing(client: KubeClient, name: str, fault: ClusterNotFound) -> ClusterNotFound:
    """The error for a cluster that does not exist: because KubeRay or the namespace does not, or it alone."""
    context = client.context
    return unsupported(client, fault) or ClusterNotFound(
        f"There is no RayCluster {name} in namespace {context.namespace} of context {context.name}.",
        f"to list them: kubectl {context.flag} get rayclusters --all-namespaces",
    )


def unsupported(client: KubeClient, fault: ClusterNotFound) -> ClusterNotFound | None:
    """The error if KubeRay or the namespace is missing, so that no RayCluster can exist; None otherwise."""
    context = client.context
    if "could not find the requested resource" in fault.message:
        return ClusterNotFound(
            f"The cluster of context {context.name} does not have KubeRay: it has no resource rayclusters.ray.io.",
            f"install it: {INSTALL}",
        )
    try:
        access.raise_if_namespace_missing(client)
    except ClusterNotFound as namespace:
        return namespace
    return None


def only_cluster(client: KubeClient) -> str:
    """The name of the only cluster of the namespace. Raises ClusterNotFound or NotConfigured if it is not one."""
    context = client.context
    access.require(client, [access.LIST_CLUSTERS])
    names = [text(mapping(one.get("metadata")).get("name")) for one in listed(client)]
    where = f"namespace {context.namespace} of context {context.name}"
    if not names:
        access.raise_if_namespace_missing(client)
        raise ClusterNotFound(
            f"There are no RayClusters in {where}.",
            f"name another one with --namespace; to list them: kubectl {context.flag} get rayclusters "
            "--all-namespaces",
        )
    if len(names) > 1:
        raise NotConfigured(
            f"There are {len(names)} RayClusters in {where}: {', '.join(names)}.", f"add --cluster {names[0]}"
        )
    return names[0]


def listed(client: KubeClient) -> list[Mapping[str, Any]]:
    """The RayClusters of the namespace, as JSON. Raises ClusterNotFound if KubeRay is missing."""
    try:
        return client.items(namespaced(RAY, client.context.namespace, "rayclusters"))
    except ClusterNotFound as fault:
        raise missing(client, "", fault) from None


def dashboard(context: KubeContext, cluster: RayCluster) -> Connection:
    """The dashboard, through the API server's proxy of the head's service. Raises NotConfigured without its token.

    The API server removes `Authorization` from what it passes on, so Ray's own token has a header of its own.
    """
    path = proxy_path(context.namespace, cluster.service)
    found = replace(
        connection(context, path),
        proxied=True,
        page=PAGE + path,
        page_needs=f"kubectl {context.flag} proxy",
    )
    token = os.environ.get(TOKEN, "")
    if cluster.tokens and not token:
        raise NotConfigured(
            f"Cluster {cluster.name} asks for a token of Ray, and {TOKEN} is not set.",
            f"export {TOKEN}=$(kubectl {context.flags} get secret {cluster.name} "
            "-o jsonpath='{.data.auth_token}' | base64 -d)",
        )
    if not token:
        return found

    def headers() -> dict[str, str]:
        return {**context.headers(), RAY_HEADER: f"Bearer {token}"}

    def turned_down(rejected: Mapping[str, str]) -> bool:
        return context.turned_down({name: rejected[name] for name in rejected if name != RAY_HEADER})

    return replace(found, headers=headers, turned_down=turned_down)


def proxy_path(namespace: str, service: str) -> str:
    """The path of the API server's proxy to the dashboard of a head."""
    return (
        f"/api/v1/namespaces/{quote(namespace, safe='')}/services/{quote(service, safe='')}:dashboard/proxy"
    )
