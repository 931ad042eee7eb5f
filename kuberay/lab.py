"""Whether a context is the lab's own Kubernetes, whose pods see the lab's Google Cloud."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from kuberay.kubeconfig import KubeContext
from raydock import state
from raydock.errors import NotFound
from raydock.gcp.clouds import LabCloud, lab_of_checkout
from raydock.gcp.lab_environment import PROJECT
from raydock.settings import setting


def cloud_of(context: KubeContext) -> LabCloud | None:
    """The lab's Google Cloud if the context is the lab's; None otherwise."""
    if not is_labs(context):
        return None
    try:
        return lab_of_checkout()
    except NotFound:
        return None


def is_labs(context: KubeContext) -> bool:
    """Whether the context's API server is that of this checkout's lab: the same address and certificate."""
    try:
        own = json.loads(state.kubeconfig_file(state.folder()).read_text(encoding="utf-8"))
        cluster = own["clusters"][0]["cluster"]
        trusted = Path(context.configuration.ssl_ca_cert or "").read_bytes()
        return bool(
            cluster["server"] == context.server
            and base64.b64decode(cluster["certificate-authority-data"]) == trusted
        )
    except (OSError, ValueError, LookupError, TypeError):
        return False


def pool() -> str:
    """The workload identity pool of the lab's project."""
    return f"{setting('LAB_PROJECT', PROJECT)}.svc.id.goog"
