"""`python -m cluster manifest`: the cluster of compose.yaml as a RayCluster for `kubectl apply`."""

from __future__ import annotations

import argparse
from typing import Any

from cluster.runtimes import Context
from raydock.errors import UsageError


def add(verbs: Any) -> None:
    """Add the command."""
    parser = verbs.add_parser("manifest", help="print the cluster as a RayCluster for KubeRay, as YAML")
    parser.add_argument("--name", default="", help="name of the RayCluster (default: the project's)")
    parser.add_argument("--namespace", metavar="NS", default="", help="its namespace (default: kubectl's)")
    parser.add_argument(
        "--service-account",
        dest="kubernetes_account",  # Vertex AI's flag of that name is for `up` alone
        metavar="SA",
        default="",
        help="Kubernetes service account of all pods, and so of the jobs (default: the namespace's)",
    )


def document(options: argparse.Namespace, context: Context) -> str:
    """The manifest as YAML. Raises UsageError for an invalid name."""
    import yaml

    from kuberay.errors import NotConfigured
    from kuberay.manifest import ManifestOptions, raycluster

    asked = ManifestOptions(
        options.name or context.topology.project, options.namespace, options.kubernetes_account
    )
    try:
        found = raycluster(context.topology, asked)
    except NotConfigured as fault:
        raise UsageError(fault.message, fault.fix) from None
    return str(yaml.safe_dump(found, sort_keys=False))
