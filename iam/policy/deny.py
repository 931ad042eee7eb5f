"""Decide whether a deny rule applies. Deny policies override every allow policy.

https://cloud.google.com/iam/docs/deny-overview
https://cloud.google.com/iam/docs/deny-permissions-support (names of permissions and permission groups)
"""

from __future__ import annotations

from iam.policy.condition import Attributes, evaluate
from iam.policy.membership import Directory, matches
from iam.policy.policies import DenyRule
from iam.policy.ternary import Ternary, any_of, from_bool

SERVICES = {"resourcemanager": "cloudresourcemanager"}  # by permission prefix, if the names differ


def applies(
    rule: DenyRule, principal: str, permission: str, attributes: Attributes, directory: Directory
) -> Ternary:
    """TRUE if the rule denies the permission to the principal, FALSE if not, else UNKNOWN."""
    condition = evaluate(rule.condition.expression, attributes) if rule.condition else Ternary.TRUE
    return (
        any_of(matches(principal, member, directory) for member in rule.denied_principals)
        & ~any_of(matches(principal, member, directory) for member in rule.exception_principals)
        & from_bool(any(_names(pattern, permission) for pattern in rule.denied_permissions))
        & ~from_bool(any(_names(pattern, permission) for pattern in rule.exception_permissions))
        & condition
    )


def full_name(permission: str) -> str:
    """The name of a permission in deny policies: storage.googleapis.com/objects.get for storage.objects.get."""
    service, _, rest = permission.partition(".")
    return f"{SERVICES.get(service, service)}.googleapis.com/{rest}"


def _names(pattern: str, permission: str) -> bool:
    """Whether a pattern matches: a name, or a group such as SERVICE/RESOURCE.*, SERVICE/*.VERB or SERVICE/*.*."""
    wanted, (service, _, rest) = full_name(permission), pattern.partition("/")
    resource, _, verb = rest.rpartition(".")
    its_service, _, its_rest = wanted.partition("/")
    its_resource, _, its_verb = its_rest.rpartition(".")
    return service == its_service and resource in ("*", its_resource) and verb in ("*", its_verb)
