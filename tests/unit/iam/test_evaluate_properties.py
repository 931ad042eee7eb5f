"""Properties of `decide` for any policies."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from iam.policy.evaluate import Policies, Verdict, decide
from iam.policy.policies import Binding, Condition, DenyRule, Policy
from iam.policy.resource import bucket, obj, objects_under, project

PRINCIPALS = [
    "user:ann@example.com",
    "user:Ben@example.com",
    "serviceAccount:job@lab.iam.gserviceaccount.com",
    "allUsers",
]
MEMBERS = [
    *PRINCIPALS,
    "allAuthenticatedUsers",
    "domain:example.com",
    "group:team@example.com",
    "group:unknown@example.com",
    "projectOwner:lab",
    "projectViewer:lab",
    "projectViewer:other",
    "deleted:user:ann@example.com?uid=1",
    "principalSet://iam.googleapis.com/locations/global/workforcePools/p/*",
]
GROUPS = {"group:team@example.com": frozenset({"user:ann@example.com"})}
ROLES = [
    "roles/storage.objectViewer",
    "roles/storage.objectCreator",
    "roles/storage.objectUser",
    "roles/storage.admin",
    "roles/storage.legacyObjectReader",
    "roles/owner",
    "roles/viewer",
    "projects/lab/roles/unknown",
]
EXPRESSIONS = [
    'resource.name.startsWith("projects/_/buckets/lab-data/objects/runs/")',
    '!resource.name.startsWith("projects/_/buckets/lab-data/objects/runs/")',
    'resource.type == "storage.googleapis.com/Bucket"',
    "resource.matchTag('1/env', 'prod')",
    "false",
]
PERMISSIONS = [
    "storage.objects.get",
    "storage.objects.list",
    "storage.objects.create",
    "storage.objects.delete",
    "storage.buckets.get",
    "storage.buckets.list",
    "orgpolicy.policy.get",
]
RESOURCES = [
    obj("lab-data", "runs/x"),
    obj("lab-data", "y"),
    objects_under("lab-data", ""),
    bucket("lab-data"),
    project("lab"),
]

BINDINGS = st.builds(
    Binding,
    st.sampled_from(ROLES),
    st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=3).map(tuple),
    st.none() | st.sampled_from(EXPRESSIONS).map(Condition),
)
POLICIES = st.lists(BINDINGS, max_size=4).map(lambda bindings: Policy(tuple(bindings), version=3))
DENIED = [m for m in MEMBERS if not m.startswith("project")]  # deny policies don't accept projectOwner:
RULES = st.builds(
    DenyRule,
    st.lists(st.sampled_from(DENIED), min_size=1, max_size=2).map(tuple),
    st.lists(st.sampled_from(DENIED), max_size=1).map(tuple),
    st.sampled_from([("storage.googleapis.com/objects.get",), ("storage.googleapis.com/*.*",)]),
)
WORLDS = st.builds(
    Policies,
    st.none() | POLICIES,
    st.none() | POLICIES,
    st.just("lab"),
    st.none() | st.lists(RULES, max_size=2).map(tuple),
    st.booleans(),
)
QUESTIONS = st.tuples(st.sampled_from(PRINCIPALS), st.sampled_from(PERMISSIONS), st.sampled_from(RESOURCES))
Question = tuple[str, str, object]


def ask(question: Question, world: Policies) -> Verdict:
    principal, permission, resource = question
    return decide(principal, permission, resource, world, groups=GROUPS).verdict  # type: ignore[arg-type]


def with_policy(world: Policies, level: str, policy: Policy | None) -> Policies:
    return replace(world, bucket=policy) if level == "bucket" else replace(world, project=policy)


def more(world: Policies, level: str, binding: Binding) -> Policies:
    there = (world.bucket if level == "bucket" else world.project) or Policy()
    return with_policy(world, level, Policy((*there.bindings, binding), version=3))


@given(QUESTIONS, WORLDS, st.sampled_from(["bucket", "project"]), BINDINGS)
def test_another_binding_takes_nothing_away(
    question: Question, world: Policies, level: str, binding: Binding
) -> None:
    """Read in reverse: removing a binding never grants anything."""
    if getattr(world, level) is None:
        world = with_policy(world, level, Policy())
    before, after = ask(question, world), ask(question, more(world, level, binding))
    assert not (before is Verdict.GRANTED and after is not Verdict.GRANTED)
    assert not (before is Verdict.UNKNOWN and after is Verdict.DENIED)


@given(QUESTIONS, WORLDS, RULES)
def test_another_deny_rule_grants_nothing(question: Question, world: Policies, rule: DenyRule) -> None:
    stricter = replace(world, deny=(*(world.deny or ()), rule))
    before, after = ask(question, replace(world, deny=world.deny or ())), ask(question, stricter)
    assert not (before is Verdict.DENIED and after is not Verdict.DENIED)
    assert not (before is Verdict.UNKNOWN and after is Verdict.GRANTED)


@given(QUESTIONS, WORLDS, st.randoms(use_true_random=False))
def test_the_order_of_bindings_and_members_decides_nothing(
    question: Question, world: Policies, chance: random.Random
) -> None:
    def shuffled(policy: Policy | None) -> Policy | None:
        if policy is None:
            return None
        bindings = [
            replace(b, members=tuple(chance.sample(b.members, len(b.members)))) for b in policy.bindings
        ]
        chance.shuffle(bindings)
        return replace(policy, bindings=tuple(bindings))

    principal, permission, resource = question
    other = replace(world, bucket=shuffled(world.bucket), project=shuffled(world.project))
    first, second = (
        decide(principal, permission, resource, w, groups=GROUPS)  # type: ignore[arg-type]
        for w in (world, other)
    )
    assert first == second


@given(QUESTIONS, WORLDS)
def test_what_is_decided_without_a_policy_stays_when_it_is_read(question: Question, world: Policies) -> None:
    blind = replace(world, bucket=None, deny=None, complete=False)
    if (verdict := ask(question, blind)) is not Verdict.UNKNOWN:
        assert ask(question, world) is verdict


@given(QUESTIONS, WORLDS)
def test_a_verdict_comes_with_what_it_rests_on(question: Question, world: Policies) -> None:
    principal, permission, resource = question
    decision = decide(principal, permission, resource, world, groups=GROUPS)  # type: ignore[arg-type]
    assert decision.why
    assert (decision.permission, decision.resource) == (permission, resource)
    if decision.verdict is Verdict.GRANTED:
        assert decision.binding is not None
        carriers = {"gs://lab-data": world.bucket, "project lab": world.project}
        policy = carriers[decision.where]
        assert policy is not None
        assert any(
            b.role == decision.binding.role and set(decision.binding.members) <= set(b.members)
            for b in policy.bindings
        )
