"""`python -m cluster manifest`: the cluster of compose.yaml for `kubectl apply`, or as values for KubeRay's chart."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cluster.runtimes import Context
from cluster.targets import flags
from raydock.errors import UsageError

if TYPE_CHECKING:
    from kuberay.manifest import ManifestOptions


def add(verbs: Any) -> None:
    """Add the command."""
    parser = verbs.add_parser("manifest", help="print the cluster as a RayCluster for KubeRay, as YAML")
    parser.add_argument("--name", default="", help="name of the RayCluster (default: the project's)")
    parser.add_argument("--namespace", metavar="NS", default="", help="its namespace (default: kubectl's)")
    flags.described(parser)
    parser.add_argument(
        "--helm", action="store_true", help="print values for KubeRay's chart ray-cluster instead"
    )


def document(options: argparse.Namespace, context: Context) -> str:
    """The manifest or the values as YAML. Raises UsageError for an invalid option."""
    import yaml

    from kuberay.manifest import raycluster
    from kuberay.spec import chart

    found = raycluster(context.topology, manifest_options(options, context, options.name))
    if not options.helm:
        return str(yaml.safe_dump(found, sort_keys=False))
    with usage_errors():
        values = chart.values(found)
    name, namespace = options.name or default_name(context), options.namespace
    note = chart.note(name, namespace)
    return note + str(yaml.safe_dump(values, sort_keys=False))


def manifest_options(
    options: argparse.Namespace, context: Context, name: str, namespace: str = ""
) -> ManifestOptions:
    """What the command line says about the RayCluster. Raises UsageError."""
    from kuberay.spec.options import Given, parse_options

    given = Given(
        name or default_name(context),
        namespace or options.namespace,
        options.service_account,
        options.label,
        options.image,
        options.autoscale,
    )
    with usage_errors():
        return parse_options(given, [pool.name for pool in context.topology.pools])


def default_name(context: Context) -> str:
    """The Compose project's name, as a name for Kubernetes."""
    return context.topology.project.replace("_", "-")


@contextmanager
def usage_errors() -> Iterator[None]:
    """Re-raise NotConfigured as UsageError."""
    from kuberay.errors import NotConfigured

    try:
        yield
    except NotConfigured as fault:
        raise UsageError(fault.message, fault.fix) from None
