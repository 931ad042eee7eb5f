"""Policies are parsed strictly, written back unchanged, and edited as immutable values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.errors import MalformedPolicy
from iam.policy.policies import (
    Binding,
    Condition,
    DenyRule,
    Policy,
    deny_from_json,
    policy_from_json,
    policy_to_json,
    with_member,
    without_member,
)

ANN, BEN = "user:ann@example.com", "user:ben@example.com"
VIEWER, CREATOR = "roles/storage.objectViewer", "roles/storage.objectCreator"
CONDITION = {"title": "runs", "expression": 'resource.name.startsWith("x")'}
DOCUMENT: dict[str, Any] = {
    "version": 3,
    "bindings": [
        {"role": VIEWER, "members": [ANN, "allUsers"]},
        {"role": "projects/lab/roles/mine", "members": [BEN], "condition": CONDITION},
    ],
    "etag": "BwXhqDVtvAM=",
}


def test_it_is_read_and_written_back() -> None:
    policy = policy_from_json(DOCUMENT)
    assert policy.bindings[1] == Binding(
        "projects/lab/roles/mine", (BEN,), Condition('resource.name.startsWith("x")', "runs")
    )
    assert (policy.etag, policy.version) == ("BwXhqDVtvAM=", 3)
    assert policy_to_json(policy) == DOCUMENT


def test_what_storage_and_projects_add_is_read_over() -> None:
    extra = {
        "kind": "storage#policy",
        "resourceId": "projects/_/buckets/b",
        "auditConfigs": [],
        "bindings": [],
    }
    assert policy_from_json(extra) == policy_from_json({}) == Policy()


def bound(**fields: object) -> dict[str, object]:
    return {"bindings": [{"role": VIEWER, "members": [ANN], **fields}]}


BAD: list[tuple[Any, str, str]] = [
    ([], "policy must be an object, not a list.", ""),
    (None, "policy must be an object, not null.", ""),
    ({"binding": []}, 'policy has an unknown key "binding".', 'Did you mean "bindings"?'),
    (
        {"x": 1},
        'policy has an unknown key "x".',
        "Allowed keys: bindings, etag, version, kind, resourceId, auditConfigs.",
    ),
    ({"bindings": {}}, "policy.bindings must be a list, not an object.", ""),
    ({"bindings": ["x"]}, "policy.bindings[0] must be an object, not a string.", ""),
    ({"etag": 3}, "policy.etag must be a string, not a number.", ""),
    ({"version": 2}, "policy.version must be 1 or 3, not 2.", ""),
    ({"version": True}, "policy.version must be 1 or 3, not True.", ""),
    ({"version": "3"}, "policy.version must be 1 or 3, not '3'.", ""),
    (bound(member=ANN), 'policy.bindings[0] has an unknown key "member".', 'Did you mean "members"?'),
    (bound(members=ANN), "policy.bindings[0].members must be a list, not a string.", ""),
    (bound(members=[None]), "policy.bindings[0].members[0] must be a string, not null.", ""),
    (
        bound(members=[ANN, "ben@example.com"]),
        'policy.bindings[0].members[1]: Invalid principal "ben@example.com": the type prefix is missing.',
        "Write user:ben@example.com",
    ),
    (
        bound(role="objectViewer"),
        'policy.bindings[0].role must be roles/NAME or projects/PROJECT/roles/NAME, not "objectViewer".',
        "",
    ),
    (
        {"bindings": [{"members": []}]},
        'policy.bindings[0].role must be roles/NAME or projects/PROJECT/roles/NAME, not "".',
        "",
    ),
    (
        bound(condition=CONDITION),
        "policy.bindings[0] has a condition, which requires policy.version 3, not 1.",
        'Set "version": 3, or request the policy with requestedPolicyVersion=3.',
    ),
    (
        {"version": 3, **bound(condition={"expresion": "true"})},
        'policy.bindings[0].condition has an unknown key "expresion".',
        'Did you mean "expression"?',
    ),
    (
        {"version": 3, **bound(condition={"title": "x"})},
        "policy.bindings[0].condition has no expression.",
        "",
    ),
    (
        {"version": 3, **bound(condition="true")},
        "policy.bindings[0].condition must be an object, not a string.",
        "",
    ),
]


@pytest.mark.parametrize(("document", "message", "fix"), BAD, ids=[row[1] for row in BAD])
def test_a_malformed_policy_is_refused_with_its_place(document: Any, message: str, fix: str) -> None:
    with pytest.raises(MalformedPolicy) as caught:
        policy_from_json(document)
    assert (caught.value.message, caught.value.fix) == (message, fix)


def test_deny_policies() -> None:
    rule = {
        "deniedPrincipals": ["principalSet://goog/public:all"],
        "exceptionPrincipals": ["principal://goog/subject/ann@example.com"],
        "deniedPermissions": ["storage.googleapis.com/objects.delete"],
        "denialCondition": {"expression": "resource.matchTag('a/b', 'c')"},
    }
    assert deny_from_json({"rules": [{"denyRule": rule, "description": "x"}]}) == (
        DenyRule(
            ("principalSet://goog/public:all",),
            ("principal://goog/subject/ann@example.com",),
            ("storage.googleapis.com/objects.delete",),
            (),
            Condition("resource.matchTag('a/b', 'c')"),
        ),
    )
    with pytest.raises(MalformedPolicy) as caught:
        deny_from_json({"rules": [{"denyRule": {"deniedPrincipal": []}}]})
    assert caught.value.message == 'denyPolicy.rules[0].denyRule has an unknown key "deniedPrincipal".'
    assert caught.value.fix == 'Did you mean "deniedPrincipals"?'


def test_a_member_joins_the_binding_that_is_there_and_conditions_keep_bindings_apart() -> None:
    policy = Policy((Binding(VIEWER, (ANN,)),), "e")
    assert with_member(policy, VIEWER, BEN) == Policy((Binding(VIEWER, (ANN, BEN)),), "e")
    runs = Condition("true", "runs")
    both = with_member(policy, VIEWER, ANN, runs)
    assert both == Policy((Binding(VIEWER, (ANN,)), Binding(VIEWER, (ANN,), runs)), "e", 3)
    assert without_member(both, VIEWER, ANN).bindings == (Binding(VIEWER, (ANN,), runs),)
    assert policy == Policy((Binding(VIEWER, (ANN,)),), "e")


def test_addresses_are_the_same_in_any_case() -> None:
    policy = Policy((Binding(VIEWER, (ANN,)),))
    assert with_member(policy, VIEWER, "user:Ann@Example.com") == policy
    assert without_member(policy, VIEWER, "user:Ann@Example.com") == Policy()


MEMBERS = st.sampled_from([ANN, BEN, "allUsers", "group:team@example.com", "projectOwner:lab"])
GRANTED_ROLES = st.sampled_from([VIEWER, CREATOR, "roles/owner"])
CONDITIONS = st.sampled_from([None, Condition("true", "a"), Condition("false", "b")])
BINDINGS = st.builds(
    Binding, GRANTED_ROLES, st.lists(MEMBERS, min_size=1, max_size=3, unique=True).map(tuple), CONDITIONS
)
POLICIES = st.builds(lambda bindings: Policy(tuple(bindings), "e", 3), st.lists(BINDINGS, max_size=5))


@given(POLICIES, GRANTED_ROLES, MEMBERS, CONDITIONS)
def test_edits_are_idempotent_and_undo_each_other(
    policy: Policy, role: str, member: str, condition: Condition | None
) -> None:
    grant = (role, member, condition)
    added, removed = with_member(policy, *grant), without_member(policy, *grant)
    assert with_member(added, *grant) == added
    assert without_member(removed, *grant) == removed
    assert without_member(with_member(removed, *grant), *grant) == removed
    assert without_member(added, *grant) == removed
    assert all(b.members for b in removed.bindings)


@given(POLICIES)
def test_every_policy_survives_its_json(policy: Policy) -> None:
    assert policy_from_json(policy_to_json(policy)) == policy
