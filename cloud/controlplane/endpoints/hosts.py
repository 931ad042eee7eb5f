"""This service's host names: one for each region, and one for each cluster's dashboard and Ray Client.

The number of cluster host names limits the number of clusters. compose.yaml lists the same names (`x-vertex-names`).
"""

from __future__ import annotations

from collections.abc import Collection

from cloud.controlplane.errors import RpcError
from cloud.controlplane.names import short_hash

HOSTS = tuple(f"ray-{n}.aiplatform-training.googleusercontent.com" for n in range(1, 9))
# Some of the regions that offer Ray on Vertex AI: https://cloud.google.com/vertex-ai/docs/general/locations.
REGIONS = (
    *("us-central1", "us-east1", "us-east4", "us-west1"),
    *("europe-west1", "europe-west4", "asia-northeast1", "asia-southeast1"),
)
REGION_OF_HOST = {f"{region}-aiplatform.googleapis.com": region for region in REGIONS}


def allocate(name: str, used: Collection[str]) -> str:
    """A free host name, always the same one for a given cluster name if possible. Raises RpcError if none is free."""
    first = int(short_hash(name), 16) % len(HOSTS)
    free = [host for host in (*HOSTS[first:], *HOSTS[:first]) if host not in used]
    if not free:
        text = f"Quota exceeded: the lab supports {len(HOSTS)} clusters at a time. Delete one first."
        raise RpcError("RESOURCE_EXHAUSTED", text)
    return free[0]
