"""Makes what a plan says, and removes what was made: an account, buckets, and roles on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from iam.errors import Conflict
from iam.google_clients import ApiCall, explained, patience
from iam.grant import BucketPolicyTarget, Change, PolicyTarget, rewrite
from iam.policy.policies import with_member, without_member
from iam.provision.plan import (
    ACCOUNT,
    ACCOUNT_ROLE,
    BUCKET,
    BUCKET_ROLE,
    ProvisionPlan,
    Requirements,
    Step,
    notes_of,
    steps_of,
)
from iam.provision.record import ProvisionRecord
from iam.provision.service_accounts import ServiceAccounts
from iam.session import Session
from raydock.errors import NotFound, RaydockError, Unreachable

VISIBLE = 60.0  # seconds until policies know a new account: https://cloud.google.com/iam/docs/service-accounts-create
POLL = 2.0
LABELS = {"made-by": "raydock-provision"}


@dataclass(slots=True)
class Provisioner:
    """Looks, makes and removes at one place. `record` remembers what was made."""

    session: Session
    client: Any
    services: ServiceAccounts
    record: ProvisionRecord
    location: str = ""
    pause: Callable[[float], None] = time.sleep
    made_account: bool = field(default=False, init=False)

    def plan(self, want: Requirements) -> ProvisionPlan:
        """What there is of it already."""
        may = want.grant_vertex and self.services.may_set_policy(want.project)
        notes = [] if may or not want.grant_vertex else [f"{want.caller} may not be granted it by you."]
        want = replace(want, grant_vertex=may)
        steps = tuple(replace(step, there=self.there(step)) for step in steps_of(want))
        return ProvisionPlan(want.project, steps, (*notes_of(want), *notes))

    def removal(self, buckets: bool) -> ProvisionPlan:
        """What of the record is still there, the last first; buckets only if asked for."""
        recorded = [
            Step(key["kind"], key["on"], key["role"], key["member"]) for key in reversed(self.record.keys())
        ]
        notes = [f"{step} is kept: add --buckets" for step in recorded if step.kind == BUCKET and not buckets]
        steps = tuple(
            replace(step, there=self.there(step)) for step in recorded if buckets or step.kind != BUCKET
        )
        return ProvisionPlan(self.session.project, steps, tuple(notes), removing=True)

    def there(self, step: Step) -> bool:
        if step.kind == ACCOUNT:
            return self.services.account(step.on) is not None
        if step.kind == BUCKET:
            with explained(self.doing(step, "nothing was changed", "get")):
                return self.client.lookup_bucket(step.on, **patience()) is not None
        try:
            policy = self.carrier(step).read()
        except NotFound:
            return False
        return with_member(policy, step.role, step.member) == policy

    def make(self, step: Step) -> None:
        """Recorded first, so that what is interrupted can be removed; what came to nothing is not kept."""
        self.record.add(step.key)
        try:
            mine = self.made(step)
        except Unreachable:
            raise  # it may have been made
        except RaydockError:
            self.record.drop(step.key)
            raise
        if not mine:
            self.record.drop(step.key)

    def made(self, step: Step) -> bool:
        """False where somebody else made it meanwhile."""
        if step.kind == ACCOUNT:
            self.made_account = True
            return self.services.create_account(self.session.project, step.on.partition("@")[0])
        if step.kind == BUCKET:
            self.make_bucket(step)
            return True
        return self.once_visible(
            lambda: rewrite(self.carrier(step), lambda old: with_member(old, step.role, step.member))
        )

    def make_bucket(self, step: Step) -> None:
        bucket = self.client.bucket(step.on)
        bucket.iam_configuration.uniform_bucket_level_access_enabled = True
        bucket.iam_configuration.public_access_prevention = "enforced"
        bucket.labels = LABELS
        where = {"project": self.session.project, "location": self.location}
        try:
            with explained(self.doing(step, f"gs://{step.on} was not made", "create")):
                self.client.create_bucket(bucket, **where, **patience())
        except Conflict as fault:
            raise Conflict(fault.message, "choose another with --data-bucket or --model-bucket") from None

    def unmake(self, step: Step) -> str:
        """Removes it; says why where it has to stay."""
        if step.kind == BUCKET:
            try:
                with explained(self.doing(step, "it was not removed", "delete")):
                    self.client.bucket(step.on).delete(**patience())
            except Conflict:
                return f"gs://{step.on} is not empty, so it is kept"
        elif step.kind == ACCOUNT:
            self.services.delete_account(step.on)
        else:
            rewrite(self.carrier(step), lambda old: without_member(old, step.role, step.member))
        self.record.drop(step.key)
        return ""

    def once_visible(self, act: Callable[[], Change]) -> bool:
        """An account that was made just now is not known everywhere at once."""
        until = time.monotonic() + VISIBLE
        while True:
            try:
                return bool(act())
            except NotFound:
                if not self.made_account or time.monotonic() > until:
                    raise
            self.pause(POLL)

    def carrier(self, step: Step) -> PolicyTarget:
        if step.kind == BUCKET_ROLE:
            return BucketPolicyTarget(self.client, self.session, step.on)
        if step.kind == ACCOUNT_ROLE:
            return self.services.account_policy(step.on)
        return self.services.project_policy(step.on)

    def doing(self, step: Step, undone: str, verb: str) -> ApiCall:
        return ApiCall(self.session.who, f"gs://{step.on}", undone, f"storage.buckets.{verb}")
