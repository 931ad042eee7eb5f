"""The clusters' dashboards, each on its own host name, for callers with permission to get the cluster.

Google documents no specific permission for a dashboard; its page on Ray on Vertex AI requires at least the role
aiplatform.user. The lab requires aiplatform.persistentResources.get on the cluster. Browser sign-in through the Google
Cloud console is not supported. Programs send a token, as vertex_ray does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from cloud.controlplane import names
from cloud.controlplane.endpoints.hosts import HOSTS
from cloud.controlplane.errors import RpcError
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.nodes.node_sizing import HEAD_MEMORY
from cloud.controlplane.permission import Permission
from cloud.gateway import auth
from cloud.gateway.job_limit import JobLimit, jobs_that_fit
from cloud.gateway.proxy import Gate, proxy_request

PORT = 8265
STATUS = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"', "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Dashboards:
    """Serves the dashboards' hosts."""

    clusters: Clusters
    permission: Permission
    port: int = PORT  # the dashboard's port on a head
    job_limits: dict[str, JobLimit] = field(default_factory=dict)  # keyed by the head's address

    async def handle(self, request: web.Request, host: str) -> web.StreamResponse:
        """Authenticate the caller, find the cluster, check permission and state, and forward the request."""
        try:
            principal = self.permission.header_principal(request.headers.get("Authorization", ""))
            found = [one for one in self.clusters.store.clusters.values() if one.host == host]
            if host not in HOSTS or not found:
                return auth.refused(request, 404, "No cluster in the lab uses this dashboard host.")
            self.permission.require(principal, "get", names.parse(found[0].name, names.CLUSTER))
        except RpcError as refusal:
            answer = auth.refused(request, STATUS[refusal.code], refusal.message)
            answer.headers.update(CHALLENGE)
            return answer
        cluster = found[0]
        if cluster.state not in ("RUNNING", "UPDATING"):
            return auth.refused(request, 503, f"The cluster is {cluster.state}.")
        job_limit = self.job_limits.setdefault(cluster.head, JobLimit(jobs_that_fit(HEAD_MEMORY)))
        gate = Gate(f"http://{cluster.head}:{self.port}", "", job_limit=job_limit)

        async def forward(request: web.Request) -> web.StreamResponse:
            return await proxy_request(request, gate)

        return await auth.authorize(request, gate, "key", forward)
