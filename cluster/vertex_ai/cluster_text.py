"""Formats existing clusters: all clusters in a location, or one in detail."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from cluster.targets.columns import WIDTH, fields, grid
from raydock import versions
from raydock.terminal.layout import clip, wrap
from raydock.units import span
from vertex.cluster import Cluster, ResourcePool
from vertex.location import Location
from vertex.spec.plan import LABEL


def clusters(found: Sequence[Cluster], now: float | None = None) -> str:
    """A table of clusters. A star marks those created by raydock. `now` is in seconds since 1970."""
    now = time.time() if now is None else now
    lines = [("NAME", "STATE", "RAY", "PYTHON", "NODES", "JOBS RUN AS", "AGE")]
    for one in found:
        star = " *" if LABEL in one.labels else ""
        nodes = sum(pool.nodes for pool in one.pools)
        lines.append(
            (
                one.id + star,
                one.state,
                one.ray or "?",
                one.python or "?",
                str(nodes),
                clip(one.account.partition("@")[0] or "service agent", 16),
                span(now - one.created) if one.created else "?",
            )
        )
    ours = ["", "* created by raydock"] if any(LABEL in one.labels for one in found) else []
    warnings = [versions.support_warning(ray) for ray in sorted({one.ray for one in found})]
    notes = [part for text in warnings if text for part in ("", *wrap(text, WIDTH))]
    return "\n".join([grid(lines), *ours, *notes])


def cluster(found: Cluster, now: float | None = None) -> str:
    """One cluster in detail. `now` is in seconds since 1970."""
    now = time.time() if now is None else now
    pairs = [
        ("cluster", found.id),
        ("location", found.name.partition("/persistentResources/")[0]),
        ("state", f"{found.state}{f': {found.error}' if found.error else ''}"),
        ("age", f"{span(now - found.created)}" if found.created else "?"),
        ("Ray", versions_of(found.ray, found.python) if found.ray else "unknown (custom image)"),
        ("jobs run as", found.principal.removeprefix("serviceAccount:")),
        ("dashboard", dashboard(found)),
        ("network", found.network or "none"),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(found.labels.items())) or "none"),
    ]
    head = [("POOL", "NODES", "MACHINE", "ACCELERATORS")]
    table = [(pool.id, nodes(pool), pool.machine_type, accelerators(pool)) for pool in found.pools]
    pool_images = "\n".join(f"  {pool.id:<12}  {image(pool)}" for pool in found.pools)
    warning = versions.support_warning(found.ray)
    notes = ["", *wrap(warning, WIDTH)] if warning else []
    return "\n".join([fields(pairs), "images", pool_images, "", grid([*head, *table]), *notes])


def versions_of(ray: str, python: str) -> str:
    """The Ray and Python versions, and the date when Google's support for that Ray ends, if known."""
    end = versions.support_end(ray)
    return f"{ray}, Python {python}" + (f"; supported until {end}" if end else "")


def dashboard(found: Cluster) -> str:
    """The dashboard's address, which requires a token. In a browser, it can be opened from Google's console."""
    if not found.dashboard:
        return "none"
    return found.dashboard if "://" in found.dashboard else f"https://{found.dashboard}"


def nodes(pool: ResourcePool) -> str:
    """The number of nodes, with the bounds if the pool autoscales."""
    return f"{pool.nodes} ({pool.min_nodes}-{pool.max_nodes})" if pool.max_nodes else str(pool.nodes)


def accelerators(pool: ResourcePool) -> str:
    """The accelerators per node, or "-" if there are none."""
    return f"{pool.accelerator_count} {pool.accelerator_type}" if pool.accelerator_count else "-"


def as_json(location: Location, found: Sequence[Cluster]) -> Mapping[str, object]:
    """The value that `status --json` prints. Times are in seconds since 1970."""
    each = [
        {
            "id": one.id,
            **asdict(one),
            "principal": one.principal,
            "ray": one.ray,
            "python": one.python,
            "ray_supported_until": str(versions.support_end(one.ray) or "") or None,
            "ours": LABEL in one.labels,
        }
        for one in found
    ]
    return {
        "version": 1,
        "kind": "vertex",
        "project": location.project,
        "region": location.region,
        "clusters": each,
    }


def image(pool: ResourcePool) -> str:
    """A pool's image and, in the lab, the local image that is run instead."""
    return f"{pool.image} (the lab runs {pool.local_image} instead)" if pool.local_image else pool.image
