"""Which Google accounts a cluster's pods run as, from their Kubernetes service accounts.

GKE's metadata server gives a pod the tokens of the Google account in its service account's annotation, if that
account's policy allows it: https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
"""

from __future__ import annotations

from collections.abc import Sequence

from kuberay import lab
from kuberay.access import READ_ACCOUNTS, grant
from kuberay.client import KubeClient, namespaced
from kuberay.cluster import RayCluster
from kuberay.errors import AccessDenied, ClusterNotFound
from kuberay.pods import ANNOTATION
from raydock.answers import mapping, text
from raydock.gcp.clouds import JobIdentity


def identities(client: KubeClient, cluster: RayCluster) -> tuple[JobIdentity, ...]:
    """The identities of all pods, one for each Kubernetes service account, the head's first."""
    return tuple(identity(client, account, groups) for account, groups in cluster.accounts().items())


def identity(client: KubeClient, account: str, groups: Sequence[str]) -> JobIdentity:
    """The Google account of a Kubernetes service account; why it is unknown, and what to do, if there is none."""
    context = client.context
    who = f"Kubernetes service account {account} ({', '.join(groups)})"
    why, fix, email = "", "", ""
    try:
        found = client.get(namespaced("/api/v1", context.namespace, "serviceaccounts", account))
        email = text(mapping(found, "metadata", "annotations").get(ANNOTATION))
        if not email:
            why = f"{who} has no Google account: its annotation {ANNOTATION} is not set"
            fix = (
                f"kubectl {context.flags} annotate serviceaccount {account} "
                f"{ANNOTATION}=NAME@PROJECT.iam.gserviceaccount.com"
            )
    except ClusterNotFound:
        why = f"{who} does not exist in namespace {context.namespace}, so its pods do not start"
        fix = f"kubectl {context.flags} create serviceaccount {account}"
    except AccessDenied:
        why = f"your account may not read {who}"
        fix = "an administrator of the namespace grants it:\n" + grant(context, [READ_ACCOUNTS])
    return JobIdentity(
        principal=f"serviceAccount:{email}" if email else "",
        why=why,
        fix=fix,
        head="head" in groups,
        workload=f"{context.namespace}/{account}",
        pool=lab.pool() if lab.is_labs(context) else "",
    )
