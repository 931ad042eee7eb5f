"""Queries the dashboard on a Vertex AI cluster with the caller's token."""

from __future__ import annotations

from collections.abc import Mapping

from raydock.errors import NotUp
from raydock.gcp.tokens import AccessToken
from raydock.rayapi.blocking import BlockingDashboard
from raydock.rayapi.connection import Connection
from vertex.cluster import Cluster

ACCESS = "Your account needs roles/aiplatform.user on the project."
SILENT = "Try again in a minute. If the cluster is in a peered network, it can't be reached from here."


def connection(cluster: Cluster, token: AccessToken) -> Connection:
    """A connection to the cluster's dashboard. A token that the dashboard rejects is renewed once per request."""
    host = cluster.dashboard

    def headers() -> dict[str, str]:
        return {"Authorization": f"Bearer {token.value()}"}

    def turned_down(rejected: Mapping[str, str]) -> bool:
        token.turned_down(rejected["Authorization"].removeprefix("Bearer "))
        return True

    url = host if "://" in host else f"https://{host}"
    return Connection(url, headers, slow=True, turned_down=turned_down, access=ACCESS)


def managed(cluster: Cluster, token: AccessToken) -> BlockingDashboard:
    """Return a running cluster's dashboard. Raises NotUp if the cluster is in any other state."""
    if cluster.state not in ("RUNNING", "UPDATING") or not cluster.dashboard:
        raise NotUp(
            f"{cluster.id} is {cluster.state} and has no dashboard.",
            "A cluster has one when it is RUNNING, unless it is in a peered network.",
        )
    return BlockingDashboard(connection(cluster, token), SILENT)
