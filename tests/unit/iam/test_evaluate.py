"""Decisions from several policies: deny rules, conditions, unreadable policies, and the reason in words."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from iam.errors import MalformedPrincipal
from iam.policy.evaluate import Policies, Verdict, decide
from iam.policy.policies import Binding, Condition, DenyRule, Policy
from iam.policy.resource import bucket, obj, objects_under, project, service_account
from iam.policy.roles import load_roles

JOB = "serviceAccount:job@lab.iam.gserviceaccount.com"
ANN = "user:ann@example.com"
GET, LIST, CREATE = "storage.objects.get", "storage.objects.list", "storage.objects.create"
YES, NO, UNKNOWN = Verdict.GRANTED, Verdict.DENIED, Verdict.UNKNOWN
VIEWER = "roles/storage.objectViewer"
EMPTY = Policy()
READ = Policy((Binding(VIEWER, (JOB,)),))
DATA = obj("lab-data", "x")


def where_of(bucket_policy: Policy | None, project_policy: Policy | None = EMPTY, **more: object) -> Policies:
    return Policies(bucket_policy, project_policy, "lab", **{"deny": (), **more})  # type: ignore[arg-type]


def when(expression: str, title: str = "", role: str = VIEWER, member: str = JOB) -> Policy:
    return Policy((Binding(role, (member,), Condition(expression, title)),), version=3)


# ── why ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_grant_says_which_binding() -> None:
    decision = decide(JOB, GET, DATA, where_of(Policy((Binding(VIEWER, ("allUsers", JOB)),))))
    assert decision.verdict is YES
    assert decision.binding == Binding(VIEWER, ("allUsers",))
    assert decision.where == "gs://lab-data"
    assert decision.resource == DATA
    assert (
        decision.why
        == f"{VIEWER} on gs://lab-data grants storage.objects.get to {JOB} as a member of allUsers"
    )
    exact = decide(JOB, GET, DATA, where_of(EMPTY, READ))
    assert exact.why == f"{VIEWER} on project lab grants storage.objects.get to {JOB}"
    assert exact.where == "project lab"


WHYS = [
    (
        where_of(EMPTY),
        NO,
        f"no binding on gs://lab-data or project lab grants storage.objects.get to {JOB}",
    ),
    (
        where_of(Policy((Binding("roles/storage.objectCreator", (JOB,)),))),
        NO,
        f"no binding on gs://lab-data or project lab grants storage.objects.get to {JOB} "
        "(roles/storage.objectCreator on gs://lab-data does not include storage.objects.get)",
    ),
    (
        where_of(when("false", "only mondays")),
        NO,
        f"no binding on gs://lab-data or project lab grants storage.objects.get to {JOB} "
        f'({VIEWER} on gs://lab-data includes storage.objects.get, but its condition "only mondays" is not met)',
    ),
    (
        where_of(when('resource.matchTag("1/env", "prod")')),
        UNKNOWN,
        f"{VIEWER} on gs://lab-data includes storage.objects.get, but its condition "
        '"resource.matchTag("1/env", "prod")" can\'t be evaluated here',
    ),
    (
        where_of(Policy((Binding(VIEWER, ("group:team@example.com",)),))),
        UNKNOWN,
        f"{VIEWER} on gs://lab-data includes storage.objects.get, "
        f"but it is unknown whether {JOB} is in group:team@example.com",
    ),
    (
        where_of(Policy((Binding("projects/lab/roles/mine", (JOB,)),))),
        UNKNOWN,
        "it is unknown whether projects/lab/roles/mine on gs://lab-data includes storage.objects.get",
    ),
    (where_of(None), UNKNOWN, "the policy of gs://lab-data could not be read"),
    (where_of(None, None), UNKNOWN, "the policies of gs://lab-data and project lab could not be read"),
    (
        where_of(EMPTY, complete=False),
        UNKNOWN,
        f"no binding on gs://lab-data or project lab grants storage.objects.get to {JOB}, "
        "but a folder or the organization above it may",
    ),
    (
        where_of(READ, deny=None),
        UNKNOWN,
        f"{VIEWER} on gs://lab-data grants storage.objects.get to {JOB}, "
        "but the deny policies of project lab could not be read",
    ),
    (
        where_of(READ, deny=(DenyRule((JOB,), (), ("storage.googleapis.com/objects.get",)),)),
        NO,
        f"a deny rule on project lab denies storage.objects.get to {JOB}",
    ),
    (
        where_of(
            READ, deny=(DenyRule(("group:g@example.com",), (), ("storage.googleapis.com/objects.get",)),)
        ),
        UNKNOWN,
        f"{VIEWER} on gs://lab-data grants storage.objects.get to {JOB}, "
        f"but a deny rule on project lab may deny storage.objects.get to {JOB}",
    ),
]


@pytest.mark.parametrize(("policies", "verdict", "why"), WHYS, ids=[row[2] for row in WHYS])
def test_why(policies: Policies, verdict: Verdict, why: str) -> None:
    decision = decide(JOB, GET, DATA, policies)
    assert (decision.verdict, decision.why) == (verdict, why)


def test_a_principal_that_is_none_is_refused() -> None:
    with pytest.raises(MalformedPrincipal, match="the type prefix is missing"):
        decide("job@lab.iam.gserviceaccount.com", GET, DATA, where_of(READ))


# ── what could not be read ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (where_of(READ, None), YES),  # one known grant is enough
        (where_of(None, READ), YES),
        (where_of(None, EMPTY), UNKNOWN),
        (where_of(EMPTY, None), UNKNOWN),
        (where_of(READ, None, complete=False), YES),
        (where_of(READ, deny=None), UNKNOWN),
        (where_of(EMPTY, deny=None), NO),  # deny rules only deny
        (where_of(EMPTY, None, deny=None), UNKNOWN),
        (where_of(Policy((Binding("roles/x", (JOB,)), *READ.bindings))), YES),
        (where_of(Policy((Binding(VIEWER, ("group:g@example.com",)), *READ.bindings))), YES),
    ],
)
def test_what_was_not_read_is_not_denied(policies: Policies, expected: Verdict) -> None:
    assert decide(JOB, GET, DATA, policies).verdict is expected


def test_basic_roles_that_may_come_from_above_are_unknown() -> None:
    fresh = Policy((Binding("roles/storage.legacyObjectReader", ("projectViewer:lab",)),))
    assert decide(ANN, GET, DATA, where_of(fresh)).verdict is NO
    assert decide(ANN, GET, DATA, where_of(fresh, None)).verdict is UNKNOWN
    assert decide(ANN, GET, DATA, where_of(fresh, complete=False)).verdict is UNKNOWN
    viewers = Policy((Binding("roles/viewer", (ANN,)),))
    assert decide(ANN, GET, DATA, where_of(fresh, viewers, complete=False)).verdict is YES
    # Google allows no condition on a basic role, so its effect is unknown.
    assert decide(ANN, GET, DATA, where_of(fresh, when("true", "", "roles/viewer", ANN))).verdict is UNKNOWN


# ── deny rules ───────────────────────────────────────────────────────────────────────────────────────────────────────

ALL = "principalSet://goog/public:all"
DENY_GET = ("storage.googleapis.com/objects.get",)
SELF = "principal://iam.googleapis.com/projects/-/serviceAccounts/job@lab.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (DenyRule((ALL,), (), DENY_GET), NO),
        (DenyRule((SELF,), (), DENY_GET), NO),
        (DenyRule(("principal://goog/subject/ann@example.com",), (), DENY_GET), YES),
        (DenyRule((ALL,), (SELF,), DENY_GET), YES),
        (DenyRule((ALL,), ("principalSet://goog/group/g@example.com",), DENY_GET), UNKNOWN),
        (DenyRule(("principalSet://goog/group/g@example.com",), (), DENY_GET), UNKNOWN),
        (DenyRule((ALL,), (), ("storage.googleapis.com/objects.delete",)), YES),
        (DenyRule((ALL,), (), ("storage.googleapis.com/objects.*",)), NO),
        (DenyRule((ALL,), (), ("storage.googleapis.com/*.get",)), NO),
        (DenyRule((ALL,), (), ("storage.googleapis.com/*.*",)), NO),
        (DenyRule((ALL,), (), ("storage.googleapis.com/*.*",), DENY_GET), YES),
        (DenyRule((ALL,), (), ("storage.googleapis.com/buckets.*",)), YES),
        (DenyRule((ALL,), (), ("iam.googleapis.com/*.*",)), YES),
        (DenyRule((ALL,), (), DENY_GET, (), Condition('resource.matchTag("1/env", "prod")')), UNKNOWN),
        (DenyRule((ALL,), (), DENY_GET, (), Condition("false")), YES),
        (DenyRule((), (), DENY_GET), YES),
        (DenyRule((ALL,), (), ()), YES),
    ],
)
def test_deny_rules(rule: DenyRule, expected: Verdict) -> None:
    assert decide(JOB, GET, DATA, where_of(READ, deny=(rule,))).verdict is expected


def test_one_deny_rule_that_is_certain_is_enough() -> None:
    maybe = DenyRule(("principalSet://goog/group/g@example.com",), (), DENY_GET)
    assert decide(JOB, GET, DATA, where_of(READ, deny=(maybe, DenyRule((ALL,), (), DENY_GET)))).verdict is NO


def test_a_deny_rule_of_the_project_s_own_permissions() -> None:
    rule = DenyRule((ALL,), (), ("cloudresourcemanager.googleapis.com/projects.get",))
    browser = Policy((Binding("roles/browser", (JOB,)),))
    decision = decide(
        JOB, "resourcemanager.projects.get", project("lab"), where_of(None, browser, deny=(rule,))
    )
    assert decision.verdict is NO


# ── conditions, where they are asked ─────────────────────────────────────────────────────────────────────────────────

RUNS = 'resource.name.startsWith("projects/_/buckets/lab-data/objects/runs/")'
LISTED = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("runs/")'


@pytest.mark.parametrize(
    ("permission", "resource", "expression", "prefix", "expected"),
    [
        (GET, obj("lab-data", "runs/x"), RUNS, None, YES),
        (GET, obj("lab-data", "other/x"), RUNS, None, NO),
        (GET, bucket("lab-data"), RUNS, None, NO),  # on the bucket, whose name is not an object's
        (GET, objects_under("lab-data", "runs/one/"), RUNS, None, YES),
        (GET, objects_under("lab-data", ""), RUNS, None, UNKNOWN),
        (GET, obj("lab-data", "runs/x"), LISTED, None, NO),
        # objects.list is always checked on the bucket.
        (LIST, obj("lab-data", "runs/"), RUNS, "runs/", NO),
        (LIST, objects_under("lab-data", "runs/"), RUNS, "runs/", NO),
        (LIST, bucket("lab-data"), f"{RUNS} || {LISTED}", "runs/", YES),
        (LIST, bucket("lab-data"), f"{RUNS} || {LISTED}", "", NO),
        (LIST, bucket("lab-data"), f"{RUNS} || {LISTED}", None, UNKNOWN),
        (LIST, bucket("lab-data"), 'resource.type == "storage.googleapis.com/Bucket"', None, YES),
        (LIST, bucket("lab-data"), 'resource.type == "storage.googleapis.com/Object"', None, NO),
        (GET, obj("lab-data", "x"), 'resource.type == "storage.googleapis.com/Object"', None, YES),
        (GET, obj("lab-data", "x"), 'request.time < timestamp("2027-01-01T00:00:00Z")', None, YES),
        (GET, obj("lab-data", "x"), 'request.time < timestamp("2026-01-01T00:00:00Z")', None, NO),
    ],
)
@pytest.mark.parametrize("level", ["bucket", "project"])
def test_conditions(
    permission: str, resource: object, expression: str, prefix: str | None, expected: Verdict, level: str
) -> None:
    policy = when(expression)
    policies = where_of(policy) if level == "bucket" else where_of(EMPTY, policy)
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    decision = decide(JOB, permission, resource, policies, now=now, list_prefix=prefix)  # type: ignore[arg-type]
    assert decision.verdict is expected


def test_without_a_time_a_condition_on_time_is_unknown() -> None:
    policies = where_of(when('request.time < timestamp("2027-01-01T00:00:00Z")'))
    assert decide(JOB, GET, DATA, policies).verdict is UNKNOWN


# ── resources and roles ──────────────────────────────────────────────────────────────────────────────────────────────


def test_buckets_are_made_and_listed_in_the_project() -> None:
    admin = Policy((Binding("roles/storage.admin", (JOB,)),))
    for permission in ("storage.buckets.create", "storage.buckets.list"):
        assert decide(JOB, permission, bucket("new"), where_of(admin, EMPTY)).verdict is NO
        assert decide(JOB, permission, bucket("new"), where_of(EMPTY, admin)).verdict is YES
        assert decide(JOB, permission, project("lab"), where_of(None, admin)).verdict is YES


def test_a_service_account_has_a_policy_of_its_own() -> None:
    account = service_account("job@lab.iam.gserviceaccount.com", "lab")
    creator = Policy((Binding("roles/iam.serviceAccountTokenCreator", (ANN,)),))
    decision = decide(ANN, "iam.serviceAccounts.getAccessToken", account, where_of(creator))
    assert decision.verdict is YES
    assert decision.where == "job@lab.iam.gserviceaccount.com"
    assert decide(ANN, "iam.serviceAccounts.getAccessToken", bucket("b"), where_of(creator)).verdict is NO


def test_custom_roles() -> None:
    there = load_roles({"projects/lab/roles/reader": frozenset({GET})})
    policies = where_of(Policy((Binding("projects/lab/roles/reader", (JOB,)),)))
    assert decide(JOB, GET, DATA, policies, roles=there).verdict is YES
    assert decide(JOB, LIST, DATA, policies, roles=there).verdict is NO
    assert decide(JOB, GET, DATA, policies).verdict is UNKNOWN
