"""The dashboards of the clusters, each under a host of its own, for whoever may get the cluster.

Who may use a dashboard is not on record as a permission of its own; Google's page on Ray on Vertex AI asks for the
role aiplatform.user at least. The lab asks for aiplatform.persistentResources.get on the cluster. A browser's way
in, through the console's sign-in, is not here: a program sends its token, as vertex_ray does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from cloud.controlplane import names
from cloud.controlplane.clusters import Clusters
from cloud.controlplane.endpoints.hosts import HOSTS
from cloud.controlplane.errors import RpcError
from cloud.controlplane.nodes.node_sizing import HEAD_MEMORY
from cloud.controlplane.permission import Permission
from cloud.gateway import auth
from cloud.gateway.job_limit import JobLimit, jobs_that_fit
from cloud.gateway.proxy import Gate, proxy_request, server_options, upstream

PORT = 8265
STATUS = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"', "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Dashboards:
    """What answers for the hosts of the dashboards."""

    clusters: Clusters
    permission: Permission
    port: int = PORT  # of a head's dashboard
    job_limits: dict[str, JobLimit] = field(default_factory=dict)  # by the head's address

    def application(self) -> web.Application:
        app = web.Application(client_max_size=Gate("", "").limit, handler_args=server_options())
        app.router.add_route("*", "/{path:.*}", self.handle, expect_handler=wait)
        app.cleanup_ctx.append(upstream)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request: who asks, then for which cluster, then whether it runs; then it is passed on."""
        host = request.host.partition(":")[0].lower()
        try:
            principal = self.permission.holder(request.headers.get("Authorization", ""))
            found = [one for one in self.clusters.store.clusters.values() if one.host == host]
            if host not in HOSTS or not found:
                return auth.refused(request, 404, "No cluster of this lab has this dashboard.")
            self.permission.require(principal, "get", names.parse(found[0].name, 3))
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


async def wait(_: web.Request) -> None:
    """`Expect: 100-continue` is answered when the body is wanted."""
