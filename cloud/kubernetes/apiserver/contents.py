"""What a new API server contains: KubeRay's definitions, and the lab user's role."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import kuberay
from cloud.kubernetes.api import CORE, RAY, Api, Rejected
from cloud.kubernetes.apiserver.credentials import USER
from kuberay.pods import ANNOTATION

KINDS = ("rayclusters", "rayjobs")
DEFINITIONS = Path(kuberay.__file__).parent / "definitions"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
ACCOUNT = "trainer"  # as in iam/lab.yaml
GROUP = "rbac.authorization.k8s.io"


def definition_of(kind: str) -> dict[str, Any]:
    """KubeRay's custom resource definition of `rayclusters` or `rayjobs`."""
    found: dict[str, Any] = json.loads(gzip.decompress((DEFINITIONS / f"{kind}.json.gz").read_bytes()))
    return found


async def create(api: Api, project: str) -> None:
    """Create what is missing. Raises Rejected and NotAnswering."""
    for kind in KINDS:
        await api.create(CRDS, definition_of(kind))
    await api.create(BINDINGS, binding())
    await api.create(f"{CORE}/namespaces/default/serviceaccounts", account(project))


def account(project: str) -> dict[str, Any]:
    """A Kubernetes service account whose pods are to act as the lab's custom Google account.

    Nothing lets it do so yet: that is the first lesson.
    """
    email = f"{ACCOUNT}@{project}.iam.gserviceaccount.com"
    return {"metadata": {"name": ACCOUNT, "annotations": {ANNOTATION: email}}}


def binding() -> dict[str, Any]:
    """The lab's user may do everything, as the owner of a project may in its GKE clusters."""
    return {
        "metadata": {"name": USER},
        "subjects": [{"kind": "User", "name": USER, "apiGroup": GROUP}],
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": GROUP},
    }


async def is_ready(api: Api) -> bool:
    """Whether the API server serves KubeRay's resources."""
    try:
        for kind in KINDS:
            await api.call("GET", f"{RAY}/{kind}?limit=1")
    except Rejected:
        return False
    return True
