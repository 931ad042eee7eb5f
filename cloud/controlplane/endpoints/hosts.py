"""The host names of the clusters: a dashboard and a Ray Client endpoint each, so as many clusters as names."""

from __future__ import annotations

from collections.abc import Collection

from cloud.controlplane.errors import RpcError
from cloud.controlplane.names import mark

HOSTS = tuple(f"ray-{n}.aiplatform-training.googleusercontent.com" for n in range(1, 9))


def free(name: str, used: Collection[str]) -> str:
    """One that no cluster has, for the same name the same one where it is free. Refused where none is."""
    first = int(mark(name), 16) % len(HOSTS)
    left = [host for host in (*HOSTS[first:], *HOSTS[:first]) if host not in used]
    if not left:
        said = f"Quota exceeded: the lab has room for {len(HOSTS)} clusters. Delete one."
        raise RpcError("RESOURCE_EXHAUSTED", said)
    return left[0]
