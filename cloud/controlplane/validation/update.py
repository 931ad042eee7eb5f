"""Checks on a request to update a cluster, which may change only the number of replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloud.controlplane.validation.pools import CLUSTER_NODES, POOL_NODES, TOP, autoscaled, replicas

Json = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]


def problems(old: Json, new: Json, mask: Sequence[str]) -> list[tuple[str, str]]:
    """The problems with a request to update a cluster, which may change only the number of replicas."""
    return list(check_update(old, new, mask))


def check_update(old: Json, new: Json, mask: Sequence[str]) -> Problems:
    """Yield the problems that `problems` lists. `mask` is the update mask."""
    other = [path for path in mask if path != "resource_pools.replica_count"]
    if other or not mask:
        text = "Only resource_pools.replica_count can be updated"
        yield (
            "update_mask",
            f"{text}, not {', '.join(other)}." if other else f"{text}: the mask must include it.",
        )
    before, after = old.get("resource_pools") or (), new.get("resource_pools") or ()
    if [pool.get("id") for pool in before] != [pool.get("id") for pool in after]:
        yield f"{TOP}.resource_pools", "The pools must match the cluster's, in the same order."
        return
    for number, (was, pool) in enumerate(zip(before, after, strict=True)):
        where = f"{TOP}.resource_pools[{number}].replica_count"
        count = int(pool.get("replica_count") or 0)
        if autoscaled(was):
            if count != replicas(was):
                yield where, "The pool is autoscaled, so its replica_count can't be set."
        elif not 1 <= count <= POOL_NODES:
            yield where, f"{count} is not between 1 and {POOL_NODES}."
    if (total := sum(int(pool.get("replica_count") or 0) for pool in after)) > CLUSTER_NODES:
        yield f"{TOP}.resource_pools", f"{total} nodes exceed the limit of {CLUSTER_NODES} per cluster."
