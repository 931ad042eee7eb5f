"""ai persistent-resources: the clusters of Ray on Vertex AI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vertex.gcloud import configuration
from vertex.gcloud.commands.projects import project_of
from vertex.gcloud.formats import FORMAT, LIST, listed, shown
from vertex.gcloud.invocation import Command, Invocation

if TYPE_CHECKING:
    from vertex.client import VertexClient
    from vertex.cluster import Cluster

REGION = {"--region": True}


def list_clusters(call: Invocation) -> list[str]:
    """The clusters of a region."""
    return listed([row_of(one) for one in client_of(call).list_clusters()], ["name", "state", "nodes"], call)


def describe_cluster(call: Invocation) -> list[str]:
    """One cluster, as the API describes it."""
    from google.protobuf.json_format import MessageToDict

    message = client_of(call).get_message(call.arguments[0])
    return shown(MessageToDict(type(message).pb(message)), call)


def delete_cluster(call: Invocation) -> list[str]:
    """Request the deletion of a cluster."""
    client_of(call).delete(call.arguments[0])
    return [f"Request to delete the PersistentResource [{call.arguments[0]}] has been sent"]


def row_of(found: Cluster) -> dict[str, Any]:
    """A cluster in a list."""
    nodes = sum(pool.nodes for pool in found.pools)
    return {"name": found.name, "id": found.id, "state": found.state, "nodes": nodes}


def client_of(call: Invocation) -> VertexClient:
    """The client for --region, or the region of the configuration."""
    from vertex.client import VertexClient
    from vertex.location import REGION as DEFAULT
    from vertex.location import Location

    region = call.flag("--region") or configuration.get("ai/region") or DEFAULT
    return VertexClient(Location(project_of(call), region))


COMMANDS = {
    "ai persistent-resources list": Command(list_clusters, flags={**REGION, **LIST}),
    "ai persistent-resources describe": Command(describe_cluster, "ID", {**REGION, **FORMAT}, 1, 1),
    "ai persistent-resources delete": Command(delete_cluster, "ID", REGION, 1, 1),
}
