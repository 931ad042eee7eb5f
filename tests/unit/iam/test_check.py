"""The combination of the check's two sources, and the check over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import httpx
import pytest

from iam.check import (
    CLUSTER,
    GRANTED_ON_BUCKET,
    ITSELF,
    NOT_GRANTED_ON_BUCKET,
    POLICIES,
    CheckResult,
    HeldPermissions,
    check,
    combine,
    decide_one,
)
from iam.policy.evaluate import Decision, Policies, Verdict
from iam.policy.policies import Binding, Condition, DenyRule, Policy
from iam.policy.required_permissions import RequiredPermission, needs_of
from iam.policy.resource import obj
from iam.policy_reader import PolicyReader
from iam.text import fix
from tests.labcloud import AGENT, TRAINER, YOU, RunningCloud, lab_cloud

GRANTED, DENIED, UNKNOWN = Verdict.GRANTED, Verdict.DENIED, Verdict.UNKNOWN
READABLE = Policies(Policy(), Policy(), "p", ())
HIDDEN = Policies(None, Policy(), "p", ())
TAKEN = Policies(Policy(), Policy(), "p", (DenyRule(("principalSet://goog/public:all",)),))
PLAIN = Binding("roles/storage.objectViewer", (AGENT,))
SOMETIMES = Binding("roles/storage.objectViewer", (AGENT,), Condition("resource.matchTag('a', 'b')"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.mark.parametrize(
    ("told", "verdict", "binding", "policies", "permission", "together_is", "why"),
    [
        (True, GRANTED, PLAIN, READABLE, "get", GRANTED, "said"),
        (True, DENIED, None, READABLE, "get", DENIED, "said"),
        (True, UNKNOWN, None, READABLE, "get", GRANTED, GRANTED_ON_BUCKET),
        (True, UNKNOWN, None, HIDDEN, "get", UNKNOWN, f"{GRANTED_ON_BUCKET}, but said"),
        (True, UNKNOWN, SOMETIMES, READABLE, "get", UNKNOWN, "said"),
        (True, UNKNOWN, PLAIN, TAKEN, "get", UNKNOWN, "said"),
        (False, GRANTED, SOMETIMES, READABLE, "get", GRANTED, "said"),
        (False, GRANTED, PLAIN, READABLE, "get", DENIED, NOT_GRANTED_ON_BUCKET),
        (False, DENIED, None, READABLE, "get", DENIED, "said"),
        (False, UNKNOWN, None, READABLE, "get", DENIED, NOT_GRANTED_ON_BUCKET),
        (False, UNKNOWN, SOMETIMES, READABLE, "get", UNKNOWN, "said"),
        (False, UNKNOWN, None, HIDDEN, "get", UNKNOWN, f"{NOT_GRANTED_ON_BUCKET}, and said"),
    ],
)
def test_both_sources_together(
    told: bool,
    verdict: Verdict,
    binding: Binding | None,
    policies: Policies,
    permission: str,
    together_is: Verdict,
    why: str,
) -> None:
    decision = Decision(verdict, f"storage.objects.{permission}", obj("b", "o"), binding, "", "said")
    found = combine(decision, told, policies)
    assert (found.verdict, found.why) == (together_is, why)


def test_what_is_the_buckets_is_denied_where_it_is_said_so() -> None:
    decision = Decision(UNKNOWN, "storage.buckets.get", obj("b", "o"), None, "", "said")
    assert combine(decision, False, HIDDEN).verdict is DENIED
    assert combine(decision, True, HIDDEN).verdict is GRANTED


@pytest.mark.parametrize(
    ("hidden", "bound", "is_"),
    [
        (HIDDEN, False, UNKNOWN),
        (Policies(Policy(), None, "p", None), False, UNKNOWN),
        (Policies(Policy(), Policy(), "p", (), complete=False), False, UNKNOWN),
        (Policies(Policy(), None, "p", None), True, GRANTED),
        (Policies(Policy(), Policy(), "p", (), complete=False), True, GRANTED),
    ],
)
def test_an_unreadable_binding_may_have_a_condition(hidden: Policies, bound: bool, is_: Verdict) -> None:
    """A grant on the bucket need not apply to the object. Only deny rules apply to both."""
    decision = Decision(UNKNOWN, "storage.objects.get", obj("b", "o"), None, "", "said")
    assert combine(decision, True, hidden, bound).verdict is is_


def test_a_yes_on_the_bucket_that_a_condition_explains_is_none_on_the_object() -> None:
    """A random setup that failed once: a binding for buckets alone, and one for a group with unknown members."""
    for_buckets = Condition('resource.type == "storage.googleapis.com/Bucket"')
    policy = Policy((Binding("roles/storage.legacyObjectReader", (TRAINER,), for_buckets),))
    group = Policy((Binding("roles/storage.admin", ("group:team@example.com",)),))
    needs, _ = needs_of(["gs://lab-data/o"], [], [])
    for bindings, is_ in ((policy, UNKNOWN), (Policy(), GRANTED)):
        found = decide_one(
            TRAINER,
            "storage.objects.get",
            needs[0],
            Policies(group, bindings, "p", ()),
            {"lab-data": frozenset({"storage.objects.get"})},
        )
        assert found.verdict is is_


def test_a_bucket_in_an_unreadable_project(lab: RunningCloud) -> None:
    """The usual case on Google Cloud: the grant is on the bucket, the only policy that the caller can read."""
    alice, (need,) = "user:alice@example.com", needs_of(["gs://lab-data/a/x"], [], [])[0]
    token = {"role": "roles/iam.serviceAccountTokenCreator", "members": [alice]}
    lab.world.set_policy(lab.world.accounts[TRAINER.partition(":")[2]], {"bindings": [token]})
    reader = {"role": "roles/storage.admin", "members": [alice]}
    bucket, project = lab.world.buckets["lab-data"], lab.world.projects["lab-project"]
    kept = bucket.policy, project.policy
    try:
        granted = {"role": "roles/storage.objectViewer", "members": [TRAINER]}
        lab.world.set_policy(bucket, {"bindings": [reader, granted]})
        (found,) = asked(lab, TRAINER, [need], caller=alice)
        assert (found.verdict, found.how) == (GRANTED, ITSELF)
        only_b = '!resource.name.startsWith("projects/_/buckets/lab-data/objects/a/")'
        elsewhere = {**granted, "condition": {"title": "b", "expression": only_b}}
        lab.world.set_policy(bucket, {"bindings": [reader]})
        lab.world.set_policy(project, {"version": 3, "bindings": [elsewhere]})
        (found,) = asked(lab, TRAINER, [need], caller=alice)
        assert (found.verdict, found.why.startswith(GRANTED_ON_BUCKET)) == (UNKNOWN, True)
    finally:
        lab.world.set_policy(bucket, kept[0])
        lab.world.set_policy(project, kept[1])


def asked(
    lab: RunningCloud,
    principal: str,
    needs: Sequence[RequiredPermission],
    caller: str = YOU,
    held: HeldPermissions | None = None,
) -> list[CheckResult]:
    async def ask() -> list[CheckResult]:
        async with httpx.AsyncClient() as client:
            return await check(principal, needs, PolicyReader(client, lab.place, lab.token(caller)), held)

    return asyncio.run(ask())


def test_a_service_agent_is_judged_by_the_policies(lab: RunningCloud) -> None:
    needs, _ = needs_of(["gs://lab-data/x", "gs://closed-bucket/x"], ["gs://lab-models/runs/"], [])
    found = asked(lab, AGENT, needs)
    assert [(one.uri, one.verdict, one.how) for one in found] == [
        ("gs://lab-data/x", GRANTED, POLICIES),
        ("gs://closed-bucket/x", DENIED, POLICIES),
        ("gs://lab-models/runs/", GRANTED, POLICIES),
    ]
    assert found[1].missing == ("storage.objects.get",)
    assert [fix.role for fix in found[1].fixes] == ["roles/storage.objectViewer"]
    assert found[1].why == (
        "no binding on gs://closed-bucket or project other-project grants storage.objects.get to " + AGENT
    )


def test_a_custom_account_is_asked_as_itself(lab: RunningCloud) -> None:
    needs, _ = needs_of(["gs://lab-data/x"], [], [])
    (found,) = asked(lab, TRAINER, needs)
    assert (found.verdict, found.how) == (DENIED, ITSELF)
    bucket = lab.world.buckets["lab-data"]
    granted = {"role": "roles/storage.objectViewer", "members": [TRAINER]}
    lab.world.set_policy(bucket, {"bindings": [*bucket.policy["bindings"], granted]})
    (found,) = asked(lab, TRAINER, needs)
    assert (found.verdict, found.how) == (GRANTED, ITSELF)


def test_what_the_cluster_was_told_counts(lab: RunningCloud) -> None:
    needs, _ = needs_of(["gs://closed-bucket/x"], [], [])
    (found,) = asked(lab, AGENT, needs, held={"closed-bucket": frozenset()})
    assert (found.verdict, found.how) == (DENIED, CLUSTER)


def test_a_caller_who_may_see_nothing_knows_nothing(lab: RunningCloud) -> None:
    needs, _ = needs_of(["gs://closed-bucket/x"], [], [])
    (found,) = asked(lab, AGENT, needs, caller="user:alice@example.com")
    assert found.verdict is UNKNOWN
    assert "could not be read" in found.why


def test_a_bucket_that_does_not_exist(lab: RunningCloud) -> None:
    needs, _ = needs_of(["gs://no-such-bucket/x"], [], [])
    for principal in (AGENT, TRAINER):
        (found,) = asked(lab, principal, needs)
        assert (found.verdict, found.why) == (DENIED, "the bucket gs://no-such-bucket does not exist")
        assert found.fixes == ()
        assert found.similar == ""


def test_a_misspelt_bucket_comes_with_the_similar_one(lab: RunningCloud) -> None:
    needs, _ = needs_of(["gs://close-bucket/x", "gs://lab-data/hello.txt"], [], [])
    misspelt, other = asked(lab, AGENT, needs)
    assert (misspelt.similar, other.similar) == ("closed-bucket", "")
    assert fix(misspelt, "local").splitlines() == [
        "did you mean gs://closed-bucket?",
        "or create the bucket: python -m iam bucket add close-bucket",
    ]


def test_an_argument_with_what_it_is_by_default() -> None:
    needs, remarks = needs_of(["--read=gs://lab-data/x"], [], [])
    assert ([need.uri for need in needs], remarks) == (["gs://lab-data/x"], [])
    needs, _ = needs_of(["--read=gs://lab-data/x"], [], ["--read", "gs://other/y"])
    assert [need.uri for need in needs] == ["gs://other/y"]
    needs, _ = needs_of(["--read=gs://lab-data/x"], [], ["--read="])
    assert needs == []  # given, and empty: nothing is read
