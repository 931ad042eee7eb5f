"""The clusters' host names. Each serves one cluster's dashboard and Ray Client, so they limit the clusters."""

from __future__ import annotations

from collections.abc import Collection

from cloud.controlplane.errors import RpcError
from cloud.controlplane.names import short_hash

HOSTS = tuple(f"ray-{n}.aiplatform-training.googleusercontent.com" for n in range(1, 9))


def allocate(name: str, used: Collection[str]) -> str:
    """A free host name; the same one for the same cluster name, if possible. Raises RpcError if none is free."""
    first = int(short_hash(name), 16) % len(HOSTS)
    free = [host for host in (*HOSTS[first:], *HOSTS[:first]) if host not in used]
    if not free:
        text = f"Quota exceeded: the lab supports {len(HOSTS)} clusters at a time. Delete one first."
        raise RpcError("RESOURCE_EXHAUSTED", text)
    return free[0]
