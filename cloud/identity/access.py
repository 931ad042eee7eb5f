"""Authenticates and authorizes every call to the lab's Google Cloud."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass, field

from aiohttp import web

from cloud.decisions.recorder import Recorder
from cloud.google_errors import ApiError, bad_token, denied, denied_elsewhere
from cloud.identity.tokens import BadToken, Tokens
from cloud.lab_state import LabState
from iam.policy import resource as resources
from iam.policy.evaluate import Decision, Verdict
from iam.policy.principal import ANONYMOUS, email
from iam.policy.resource import Resource

log = logging.getLogger("cloud")


@dataclass(frozen=True, slots=True)
class Access:
    """The only place that enforces permissions.

    `assumed`: callers without a token act as the job. Only the processes cluster's emulator port sets it, because
    clients configured through emulator variables send no token. `record`: where decisions are recorded.
    """

    lab_state: LabState
    tokens: Tokens
    assumed: bool = False
    record: Recorder = field(default_factory=Recorder)

    def caller(self, request: web.Request) -> str:
        """The principal of a request's token. Raises ApiError (401) for an unknown or expired token."""
        return self.principal(request.headers.get("Authorization", ""), request.query.get("access_token", ""))

    def principal(self, authorization: str, access_token: str = "") -> str:
        """The principal, from the Authorization header or the parameter `access_token`. Raises like `caller`."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else access_token
        if not token:
            return self.lab_state.job if self.assumed else ANONYMOUS
        try:
            return self.token_principal(token)
        except BadToken:
            raise bad_token() from None

    def token_principal(self, token: str) -> str:
        """The principal of a token. Raises BadToken, including if its service account has since been deleted."""
        claims = self.tokens.claims(token)
        principal = str(claims["principal"])
        if float(str(claims.get("issued", 0))) <= self.lab_state.deleted.get(principal, -1):
            raise BadToken("the account was deleted")
        return principal

    def decision(
        self, principal: str, permission: str, resource: Resource, prefix: str | None = None
    ) -> Decision:
        """The decision on a permission now. Any verdict except GRANTED means no and is logged with its reason."""
        now = datetime.datetime.now(datetime.timezone.utc)
        decision = self.lab_state.decide(principal, permission, resource, now=now, list_prefix=prefix)
        if decision.verdict is not Verdict.GRANTED:
            log.info("%s: %s on %s: %s", decision.verdict.value, permission, resource, decision.why)
        return decision

    def holds(self, principal: str, permission: str, resource: Resource, prefix: str | None = None) -> bool:
        """Whether a principal has a permission."""
        return self.decision(principal, permission, resource, prefix).verdict is Verdict.GRANTED

    def used(
        self, principal: str, permission: str, resource: Resource, prefix: str | None = None
    ) -> Decision:
        """The decision on a permission that the principal is using. It is recorded."""
        decision = self.decision(principal, permission, resource, prefix)
        granted = decision.verdict is Verdict.GRANTED
        self.record.decided(principal, permission, resource.name, granted, prefix)
        return decision

    def may(self, principal: str, permission: str, resource: Resource, prefix: str | None = None) -> bool:
        """Whether a principal that uses a permission has it. The decision is recorded."""
        return self.used(principal, permission, resource, prefix).verdict is Verdict.GRANTED

    def require(self, principal: str, permission: str, resource: Resource, prefix: str | None = None) -> None:
        """Raise ApiError (Google's 403, or 401 without a token) unless the principal has the permission."""
        decision = self.used(principal, permission, resource, prefix)
        if decision.verdict is not Verdict.GRANTED:
            raise self.refusal(principal, decision)

    def refusal(self, principal: str, decision: Decision) -> ApiError:
        """The error for a decision that is not GRANTED. If it is UNKNOWN, the message includes the reason."""
        caller, permission = address(principal), decision.permission
        if permission.startswith("storage."):
            found = denied(caller, permission)
        else:
            found = denied_elsewhere(permission, decision.resource.name) if caller else bad_token()
        if decision.verdict is Verdict.UNKNOWN:
            found.message += f" The lab refuses what it can't decide: {decision.why}."
        return found

    def require_bucket(self, principal: str, permission: str, bucket: str) -> None:
        """`require` for a bucket name."""
        self.require(principal, permission, resources.bucket(bucket))

    def require_project(self, principal: str, permission: str, project: str) -> None:
        """`require` for a project ID."""
        self.require(principal, permission, resources.project(project))


def address(principal: str) -> str:
    """The principal as Google's error messages show it: its email, "Caller" for a workload without one.

    "" for a caller without a token.
    """
    return "" if principal == ANONYMOUS else email(principal) or "Caller"
