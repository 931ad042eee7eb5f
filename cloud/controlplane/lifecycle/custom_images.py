"""Determines which local images run instead of a cluster's custom images."""

from __future__ import annotations

import logging

from cloud.controlplane.lifecycle.store import ClusterRecord
from cloud.controlplane.nodes import images, node_sizing
from cloud.controlplane.nodes.nodes import Nodes

log = logging.getLogger("raydock.vertex")


def local_images(cluster: ClusterRecord, nodes: Nodes) -> dict[str, str]:
    """The local images that run instead of custom images, by pool. Also logs them."""
    found: dict[str, str] = {}
    for node in node_sizing.nodes(cluster.shape):
        local = nodes.image(node)
        if (said := images.notice(node.image, local)) and found.get(node.key.pool) != local:
            found[node.key.pool] = local
            log.warning("%s, pool %s: %s", cluster.name, node.key.pool, said)
    return found
