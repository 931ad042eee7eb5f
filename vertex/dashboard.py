"""The dashboard of a cluster on Vertex AI, queried with the caller's token."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from raydock.errors import NotUp
from raydock.gcp.tokens import AccessToken
from raydock.rayapi.blocking import BlockingDashboard
from raydock.rayapi.connection import Connection
from vertex.cluster import Cluster

ACCESS = "Your account needs roles/aiplatform.user on the project."
SILENT = "It is reached from here only without a peered network; try again in a minute."


def connection(cluster: Cluster, token: AccessToken) -> Connection:
    """How to reach the cluster's dashboard. A token that the dashboard rejects is renewed once per request."""
    host = cluster.dashboard

    def headers() -> dict[str, str]:
        return {"Authorization": f"Bearer {token.value()}"}

    def turned_down(rejected: Mapping[str, str]) -> bool:
        token.turned_down(rejected["Authorization"].removeprefix("Bearer "))
        return True

    url = host if "://" in host else f"https://{host}"
    return Connection(url, headers, slow=True, turned_down=turned_down, access=ACCESS)


def managed(cluster: Cluster, token: AccessToken) -> BlockingDashboard:
    """Return the dashboard of a running cluster. Raises NotUp for any other."""
    if cluster.state not in ("RUNNING", "UPDATING") or not cluster.dashboard:
        raise NotUp(
            f"{cluster.id} is {cluster.state} and has no dashboard.",
            "It has one when it is RUNNING in no peered network.",
        )
    return BlockingDashboard(connection(cluster, token), SILENT)


def date(headers: Mapping[str, str]) -> float:
    """The server's time, so that a wrong local clock has no effect; the local time if the server sends none."""
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()
