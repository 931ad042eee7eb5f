"""Create what a plan lists and remove what was created: a service account, buckets, and roles on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from iam.errors import Conflict
from iam.google_clients import ApiCall, retry_options, translated_errors
from iam.grant import BucketPolicyTarget, Change, PolicyTarget, update_policy
from iam.policy.policies import with_member, without_member
from iam.provision.plan import (
    ACCOUNT,
    ACCOUNT_ROLE,
    BUCKET,
    BUCKET_ROLE,
    ON_VERTEX,
    ProvisionPlan,
    Requirements,
    Step,
    notes_of,
    steps_of,
)
from iam.provision.record import ProvisionRecord
from iam.provision.service_accounts import SET_POLICY, ServiceAccounts
from iam.session import Session
from iam.storage.buckets import Buckets
from iam.storage.store import ObjectStore
from raydock.errors import NotFound, RaydockError, Unreachable

# Seconds until policies accept a new account: https://cloud.google.com/iam/docs/service-accounts-create
VISIBILITY_TIMEOUT = 60.0
POLL_INTERVAL = 2.0  # seconds
LABELS = {"made-by": "raydock-provision"}


@dataclass(slots=True)
class Provisioner:
    """Plans, creates and removes resources in one project.

    client: google-cloud-storage's Client
    record: what was created
    location: the location for new buckets
    pause: sleeps for a number of seconds
    """

    session: Session
    client: Any
    accounts: ServiceAccounts
    record: ProvisionRecord
    location: str = ""
    pause: Callable[[float], None] = time.sleep
    created_account: bool = field(default=False, init=False)

    def plan(self, want: Requirements) -> ProvisionPlan:
        """The plan for the requirements, which marks what already exists."""
        may = want.grant_vertex and self.accounts.may_set_policy(want.project)
        notes = []
        if want.grant_vertex and not may:
            notes = [f"You can't grant {ON_VERTEX} to {want.caller}: you lack {SET_POLICY} on the project."]
        want = replace(want, grant_vertex=may)
        steps = tuple(replace(step, exists=self.exists(step)) for step in steps_of(want))
        return ProvisionPlan(want.project, steps, (*notes_of(want), *notes))

    def removal(self, buckets: bool) -> ProvisionPlan:
        """The plan to remove the recorded steps, last first; `buckets` includes the buckets."""
        recorded = [
            Step(key["kind"], key["on"], key["role"], key["member"]) for key in reversed(self.record.keys())
        ]
        notes = [
            f"{step} is kept; pass --buckets to remove it"
            for step in recorded
            if step.kind == BUCKET and not buckets
        ]
        steps = tuple(
            replace(step, exists=self.exists(step)) for step in recorded if buckets or step.kind != BUCKET
        )
        return ProvisionPlan(self.session.project, steps, tuple(notes), removing=True)

    def exists(self, step: Step) -> bool:
        """Whether the step is already done."""
        if step.kind == ACCOUNT:
            return self.accounts.account(step.on) is not None
        if step.kind == BUCKET:
            with translated_errors(self.api_call(step, "nothing was changed", "get")):
                return self.client.lookup_bucket(step.on, **retry_options()) is not None
        try:
            policy = self.policy_target(step).read()
        except NotFound:
            return False
        return with_member(policy, step.role, step.member) == policy

    def create(self, step: Step) -> None:
        """Perform a step. It is recorded first, so that an interrupted step can be removed; a failed one is dropped."""
        self.record.add(step.key)
        try:
            created = self._create(step)
        except Unreachable:
            raise  # it may have been created
        except RaydockError:
            self.record.drop(step.key)
            raise
        if not created:
            self.record.drop(step.key)

    def _create(self, step: Step) -> bool:
        """Returns False if it was created concurrently."""
        if step.kind == ACCOUNT:
            self.created_account = True
            return self.accounts.create_account(self.session.project, step.on.partition("@")[0])
        if step.kind == BUCKET:
            self._create_bucket(step)
            return True
        return self._retry_until_visible(
            lambda: update_policy(
                self.policy_target(step), lambda old: with_member(old, step.role, step.member)
            )
        )

    def _create_bucket(self, step: Step) -> None:
        buckets = Buckets(ObjectStore(self.client, self.session), self.session.project)
        try:
            if not buckets.create(step.on, self.location, LABELS):
                raise Conflict(f"gs://{step.on} already exists, so it was not created.")
        except Conflict as fault:
            raise Conflict(
                fault.message, "choose another name with --data-bucket or --model-bucket"
            ) from None

    def remove(self, step: Step) -> str:
        """Undo a step. Returns the reason if it can't be undone, else ""."""
        if step.kind == BUCKET:
            try:
                with translated_errors(self.api_call(step, "it was not removed", "delete")):
                    self.client.bucket(step.on).delete(**retry_options())
            except Conflict:
                return f"gs://{step.on}: the bucket is not empty"
        elif step.kind == ACCOUNT:
            self.accounts.delete_account(step.on)
        else:
            update_policy(self.policy_target(step), lambda old: without_member(old, step.role, step.member))
        self.record.drop(step.key)
        return ""

    def _retry_until_visible(self, act: Callable[[], Change]) -> bool:
        """Retry until policies accept the account that was just created."""
        deadline = time.monotonic() + VISIBILITY_TIMEOUT
        while True:
            try:
                return bool(act())
            except NotFound:
                if not self.created_account or time.monotonic() > deadline:
                    raise
            self.pause(POLL_INTERVAL)

    def policy_target(self, step: Step) -> PolicyTarget:
        """The policy that a role step changes."""
        if step.kind == BUCKET_ROLE:
            return BucketPolicyTarget(self.client, self.session, step.on)
        if step.kind == ACCOUNT_ROLE:
            return self.accounts.account_policy(step.on)
        return self.accounts.project_policy(step.on)

    def api_call(self, step: Step, consequence: str, verb: str) -> ApiCall:
        """Describe a call on a step's bucket for error messages."""
        return ApiCall(self.session.who, f"gs://{step.on}", consequence, f"storage.buckets.{verb}")
