"""Workload Identity Federation for GKE: which Google account a Kubernetes service account's pods act as.

As GKE's metadata server does: with the annotation iam.gke.io/gcp-service-account, a pod gets tokens for that Google
account if its policy grants the Kubernetes account iam.serviceAccounts.getAccessToken (in the role
roles/iam.workloadIdentityUser). Without it, a pod acts as the Kubernetes account's own principal, to which roles can
be granted directly.
https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
https://cloud.google.com/iam/docs/principal-identifiers
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from aiohttp import web

from cloud.identity.metadata import FLAVOR, Metadata
from cloud.identity.tokens import Tokens
from cloud.lab_state import LabState
from iam.policy import resource as resources
from iam.policy.evaluate import Verdict

PERMISSION = "iam.serviceAccounts.getAccessToken"
# The metadata server's own words: https://github.com/cloudnative-pg/cloudnative-pg/pull/5370
REFUSED = (
    f"Unable to generate access token; IAM returned 403 Forbidden: Permission '{PERMISSION}' denied on resource (or it "
    "may not exist).\nThis error could be caused by a missing IAM policy binding on the target IAM service account.\n"
    "For more information, refer to the Workload Identity documentation:\n"
    "\thttps://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#authenticating_to\n"
)


@dataclass(frozen=True, slots=True)
class Workload:
    """A Kubernetes service account, NAMESPACE/NAME, and the Google account in its annotation, or ""."""

    project: str
    name: str
    account: str = ""

    @property
    def pool(self) -> str:
        """The project's workload identity pool."""
        return f"{self.project}.svc.id.goog"

    def principals(self, number: int) -> tuple[str, str]:
        """Its principal, in the current form and in the one that bindings of workloadIdentityUser have."""
        namespace, _, name = self.name.partition("/")
        pool = f"projects/{number}/locations/global/workloadIdentityPools/{self.pool}"
        return (
            f"principal://iam.googleapis.com/{pool}/subject/ns/{namespace}/sa/{name}",
            f"serviceAccount:{self.pool}[{self.name}]",
        )


def may_act(lab_state: LabState, workload: Workload) -> bool:
    """Whether the lab's policies let it act as the Google account in its annotation."""
    holder = lab_state.accounts.get(workload.account)
    if holder is None:
        return False
    resource = resources.service_account(workload.account, holder.project)
    now = datetime.datetime.now(datetime.timezone.utc)
    return any(
        lab_state.decide(principal, PERMISSION, resource, now=now).verdict is Verdict.GRANTED
        for principal in workload.principals(lab_state.number(workload.project))
    )


class WorkloadMetadata(Metadata):
    """The metadata server for one pod."""

    def __init__(self, lab_state: LabState, tokens: Tokens, workload: Workload) -> None:
        super().__init__(lab_state, tokens, self.own_principal, workload.project)
        self.workload = workload

    def own_principal(self) -> str:
        """The Google account, or the Kubernetes account itself if it names none."""
        if self.workload.account:
            return f"serviceAccount:{self.workload.account}"
        return self.workload.principals(self.lab_state.number(self.project))[0]

    def address(self, principal: str) -> str:
        """The Google account's email, or the pool's name."""
        return self.workload.account or self.workload.pool

    def answer(self, path: str, recursive: bool) -> web.Response:
        """Like any metadata server, but with GKE's 403 if the Google account's policy does not grant a token."""
        asked = path.rstrip("/").rpartition("/")[2]
        if asked == "token" and self.workload.account and not may_act(self.lab_state, self.workload):
            return web.Response(status=403, text=REFUSED, headers=FLAVOR)
        return super().answer(path, recursive)
