"""Does a deny rule take a permission away? Deny policies come before every allow policy.

https://cloud.google.com/iam/docs/deny-overview
https://cloud.google.com/iam/docs/deny-permissions-support (names of permissions and groups of them)
"""

from __future__ import annotations

from iam.policy.condition import Attributes, evaluate
from iam.policy.membership import Directory, matches
from iam.policy.policies import DenyRule
from iam.policy.ternary import Ternary, any_of, known

SERVICES = {
    "resourcemanager": "cloudresourcemanager"
}  # where the service is not named as its permissions are


def applies(rule: DenyRule, principal: str, permission: str, given: Attributes, world: Directory) -> Ternary:
    """TRUE where the rule denies, FALSE where it does not, else UNKNOWN."""
    condition = evaluate(rule.condition.expression, given) if rule.condition else Ternary.TRUE
    return (
        any_of(matches(principal, member, world) for member in rule.denied_principals)
        & ~any_of(matches(principal, member, world) for member in rule.exception_principals)
        & known(any(_names(pattern, permission) for pattern in rule.denied_permissions))
        & ~known(any(_names(pattern, permission) for pattern in rule.exception_permissions))
        & condition
    )


def full_name(permission: str) -> str:
    """storage.objects.get as deny policies write it: storage.googleapis.com/objects.get."""
    service, _, rest = permission.partition(".")
    return f"{SERVICES.get(service, service)}.googleapis.com/{rest}"


def _names(pattern: str, permission: str) -> bool:
    """A pattern is a name, or a group: SERVICE/RESOURCE.*, SERVICE/*.VERB or SERVICE/*.*."""
    wanted, (service, _, rest) = full_name(permission), pattern.partition("/")
    resource, _, verb = rest.rpartition(".")
    its_service, _, its_rest = wanted.partition("/")
    its_resource, _, its_verb = its_rest.rpartition(".")
    return service == its_service and resource in ("*", its_resource) and verb in ("*", its_verb)
