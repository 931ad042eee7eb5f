"""Who asks, and may they: every call to the lab's Google Cloud passes here."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass

from aiohttp import web

from cloud.google_errors import bad_token, denied, denied_elsewhere
from cloud.identity.tokens import BadToken, Tokens
from cloud.lab_state import LabState
from iam.policy import resource as resources
from iam.policy.evaluate import Verdict
from iam.policy.principal import ANONYMOUS, email
from iam.policy.resource import Resource

log = logging.getLogger("cloud")


@dataclass(frozen=True, slots=True)
class Access:
    """The one place that enforces. `assumed` is who a request without a token is taken for.

    It is empty but for the processes cluster, whose clients lose their identity to the emulator variables:
    there the port that they use stands for it.
    """

    lab_state: LabState
    tokens: Tokens
    assumed: bool = False

    def caller(self, request: web.Request) -> str:
        """The principal of the request's token. Refusal (401) for an unknown or expired one."""
        return self.principal(request.headers.get("Authorization", ""), request.query.get("access_token", ""))

    def principal(self, authorization: str, access_token: str = "") -> str:
        """The same, from the header and the parameter `access_token`."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else access_token
        if not token:
            return self.lab_state.job if self.assumed else ANONYMOUS
        try:
            return self.holder(token)
        except BadToken:
            raise bad_token() from None

    def holder(self, token: str) -> str:
        """Whose token it is. BadToken also for one of a service account that was deleted since."""
        claims = self.tokens.claims(token)
        principal = str(claims["principal"])
        if float(str(claims.get("issued", 0))) <= self.lab_state.deleted.get(principal, -1):
            raise BadToken("the account was deleted")
        return principal

    def may(self, principal: str, permission: str, resource: Resource, prefix: str | None = None) -> bool:
        """Whether it is granted. What can't be known is refused, and logged with its reason."""
        now = datetime.datetime.now(datetime.timezone.utc)
        decision = self.lab_state.decide(principal, permission, resource, now=now, list_prefix=prefix)
        if decision.verdict is not Verdict.GRANTED:
            log.info("%s: %s on %s: %s", decision.verdict.value, permission, resource, decision.why)
        return decision.verdict is Verdict.GRANTED

    def require(self, principal: str, permission: str, resource: Resource, prefix: str | None = None) -> None:
        """Refusal (Google's 403, or 401 without a token) unless it is granted."""
        if not self.may(principal, permission, resource, prefix):
            who = address(principal)
            if permission.startswith("storage."):
                raise denied(who, permission)
            raise denied_elsewhere(permission, resource.name) if who else bad_token()

    def require_bucket(self, principal: str, permission: str, bucket: str) -> None:
        self.require(principal, permission, resources.bucket(bucket))

    def require_project(self, principal: str, permission: str, project: str) -> None:
        self.require(principal, permission, resources.project(project))


def address(principal: str) -> str:
    """As Google names it in a refusal; "" for a caller without a token."""
    return "" if principal == ANONYMOUS else email(principal)
