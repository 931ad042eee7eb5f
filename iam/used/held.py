"""What an identity holds beyond what its jobs used: permissions on the buckets, and the roles that include them."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from iam.check import policies_of
from iam.effective_access import held_by
from iam.policy import resource as resources
from iam.policy.evaluate import Policies, Verdict, decide
from iam.policy.roles import roles
from iam.policy_reader import PolicyReader
from raydock.errors import NotFound


@dataclass(frozen=True, slots=True)
class Beyond:
    """The permissions on one bucket that the identity holds and did not use, and the roles through which it does.

    `used`: whether it used the bucket at all.
    """

    bucket: str
    permissions: tuple[str, ...]
    roles: tuple[str, ...]
    used: bool


async def beyond(
    principal: str, used: Mapping[str, frozenset[str]], buckets: Sequence[str], reader: PolicyReader
) -> tuple[Beyond, ...]:
    """What the principal holds on each bucket, beyond the permissions used there (by bucket)."""
    found = await asyncio.gather(*(policies_of(bucket, reader) for bucket in buckets))
    each = [
        excess(principal, bucket, policies, used.get(bucket))
        for bucket, policies in zip(buckets, found, strict=True)
        if not isinstance(policies, NotFound)
    ]
    return tuple(one for one in each if one.permissions)


def excess(principal: str, bucket: str, policies: Policies, used: frozenset[str] | None) -> Beyond:
    """What the principal holds on a bucket beyond `used`, which is None if it did not use the bucket."""
    now = datetime.datetime.now(datetime.timezone.utc)
    resource = resources.obj(bucket, "x")  # any object: roles limited to a prefix don't count
    held = [
        permission
        for permission in bucket_permissions()
        if decide(principal, permission, resource, policies, now=now, list_prefix="").verdict
        is Verdict.GRANTED
    ]
    more = tuple(one for one in held if one not in (used or ()))
    known = roles()
    names = dict.fromkeys(
        f"{one.role} on {'gs://' + bucket if one.where == 'bucket' else 'project ' + policies.project_id}"
        for one in held_by(principal, policies)
        if one.role not in known or known[one.role].permissions & set(more)
    )
    return Beyond(bucket, more, tuple(names), used is not None)


def bucket_permissions() -> list[str]:
    """The permissions on buckets and objects that Google's storage roles include, and that are not about projects."""
    every = chain.from_iterable(role.permissions for role in roles().values())
    kinds = ("storage.objects.", "storage.buckets.")
    on_project = ("storage.buckets.create", "storage.buckets.list")
    return sorted({one for one in every if one.startswith(kinds) and one not in on_project})
