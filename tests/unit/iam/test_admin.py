"""Grants and revokes on the lab's buckets, through the real client library, with the full text of every error."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from iam.grant import Change, parse_edit
from iam.policy.policies import Binding, Condition, Policy, with_member
from tests.labcloud import AGENT, TRAINER, YOU
from tests.unit.iam.conftest import CommandResult, Lab

Run = Callable[..., CommandResult]
ON = ("gs://closed-bucket", "--role=roles/storage.objectViewer", f"--member={AGENT}")
GCLOUD = (
    "On Google Cloud: gcloud storage buckets {}-iam-policy-binding gs://closed-bucket "
    f"--member={AGENT} --role=roles/storage.objectViewer\n"
)
LINE = f"roles/storage.objectViewer {AGENT}\n"


def test_a_grant_fixes_a_denial_and_a_revoke_restores_it(lab: Lab) -> None:
    before = lab.policies()
    assert lab.iam("check", "gs://closed-bucket/x").code == 3
    made = lab.iam("grant", *ON)
    assert made == CommandResult(0, f"gs://closed-bucket\n  + {LINE}Granted.\n{GCLOUD.format('add')}", "")
    assert lab.iam("check", "gs://closed-bucket/x").code == 0
    gone = lab.iam("revoke", *ON)
    assert gone == CommandResult(0, f"gs://closed-bucket\n  - {LINE}Revoked.\n{GCLOUD.format('remove')}", "")
    assert lab.iam("check", "gs://closed-bucket/x").code == 3
    assert lab.policies() == before


def test_the_command_that_the_check_prints_fixes_it(lab: Lab) -> None:
    """The exact text, as a user would paste it."""
    told = lab.iam("check", "gs://closed-bucket/runs/", "--list", "--read", "--overwrite", "--as", TRAINER)
    assert told.code == 3
    lines = [line.strip() for line in told.out.splitlines() if "→ in the lab: python -m iam" in line]
    assert lines
    for line in lines:
        words = shlex.split(line.partition("python -m iam ")[2])
        assert lab.iam(*words).code == 0
    assert (
        lab.iam("check", "gs://closed-bucket/runs/", "--list", "--read", "--overwrite", "--as", TRAINER).code
        == 0
    )


def test_a_second_time_there_is_nothing_to_do(lab: Lab) -> None:
    lab.iam("grant", *ON)
    revision = lab.world.buckets["closed-bucket"].revision
    again = lab.iam("grant", *ON)
    has = f"Nothing to do: {AGENT} already has roles/storage.objectViewer on gs://closed-bucket.\n"
    assert again == CommandResult(0, has + GCLOUD.format("add"), "")
    assert lab.world.buckets["closed-bucket"].revision == revision
    lab.iam("revoke", *ON)
    lacks = f"Nothing to do: {AGENT} does not have roles/storage.objectViewer on gs://closed-bucket.\n"
    assert lab.iam("revoke", *ON) == CommandResult(0, lacks + GCLOUD.format("remove"), "")


def test_a_dry_run_shows_the_change_and_makes_none(lab: Lab) -> None:
    before, revision = lab.policies(), lab.world.buckets["closed-bucket"].revision
    told = lab.iam("grant", *ON, "--dry-run")
    text = f"gs://closed-bucket\n  + {LINE}Dry run: nothing was changed.\n{GCLOUD.format('add')}"
    assert told == CommandResult(0, text, "")
    assert (lab.policies(), lab.world.buckets["closed-bucket"].revision) == (before, revision)


def test_a_prefix_limits_the_grant_to_objects_below_it(lab: Lab) -> None:
    prefix = ("--condition-prefix", "open/")
    told = lab.iam("grant", *ON, *prefix)
    condition = 'resource.name.startsWith("projects/_/buckets/closed-bucket/objects/open/")'
    assert told.out.splitlines()[1] == f"  + {LINE.strip()} if {condition}"
    gcloud = f"'--condition=expression={condition},title=objects under open/'"
    assert told.out.splitlines()[-1].endswith(gcloud)
    assert lab.iam("check", "gs://closed-bucket/open/x").code == 0
    assert lab.iam("check", "gs://closed-bucket/other/x").code == 3
    assert "Nothing to do" in lab.iam("grant", *ON, *prefix).out
    assert f"However, the role is granted with a condition: {condition}\n" in lab.iam("revoke", *ON).out
    assert lab.iam("revoke", *ON, *prefix).code == 0
    assert lab.iam("check", "gs://closed-bucket/open/x").code == 3


def test_a_condition_is_the_same_whatever_its_title() -> None:
    edit = parse_edit("gs://a-bucket", "roles/storage.objectViewer", YOU, "p/")
    new = edit.condition()
    assert new
    there = Binding(edit.role, (YOU,), Condition(new.expression, "another title"))
    policy = Policy((there,), version=3)
    assert edit.applied(policy) == policy


def test_a_prefix_is_quoted_for_the_expression_and_for_gcloud() -> None:
    edit = parse_edit("gs://a-bucket", "roles/storage.objectViewer", YOU, 'a,b"c/')
    condition = edit.condition()
    assert condition
    assert condition.expression == r'resource.name.startsWith("projects/_/buckets/a-bucket/objects/a,b\"c/")'
    assert f"--condition=^|^expression={condition.expression}|title=" in shlex.split(edit.gcloud)[-1]


def test_the_diff_names_each_member_that_comes_or_goes() -> None:
    role, other = "roles/storage.objectViewer", "user:other@example.com"
    before = Policy((Binding(role, (YOU, other)),))
    after = with_member(Policy((Binding(role, (YOU,)),)), role, TRAINER)
    assert Change(before, after).diff() == [f"- {role} {other}", f"+ {role} {TRAINER}"]


# Concurrent changes of the policy


@pytest.fixture
def concurrent_changes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Changes the policy just before each of the first `times` writes."""
    from google.cloud.storage import Bucket

    monkeypatch.setattr("iam.grant.time.sleep", lambda seconds: None)
    write = Bucket.set_iam_policy

    def begin(times: int) -> list[int]:
        tries: list[int] = []

        def late(bucket: Any, *given: Any, **named: Any) -> Any:
            tries.append(1)
            holder = lab.world.buckets[bucket.name]
            if len(tries) <= times:
                member = f"user:{'alice@example.com' if len(tries) % 2 else 'bob@example.org'}"
                more = {"role": "roles/storage.objectCreator", "members": [member]}
                bindings = [one for one in holder.policy["bindings"] if one["role"] != more["role"]]
                lab.world.set_policy(holder, {"version": 1, "bindings": [*bindings, more]})
            return write(bucket, *given, **named)

        monkeypatch.setattr(Bucket, "set_iam_policy", late)
        return tries

    return begin


def test_a_conflict_is_retried_with_the_fresh_policy(
    lab: Lab, concurrent_changes: Callable[[int], list[int]]
) -> None:
    tries = concurrent_changes(2)
    assert lab.iam("grant", *ON).code == 0
    assert len(tries) == 3
    held = {one["role"]: one["members"] for one in lab.world.buckets["closed-bucket"].policy["bindings"]}
    assert held["roles/storage.objectViewer"] == [AGENT]
    assert held["roles/storage.objectCreator"] == ["user:bob@example.org"]  # the concurrent change is kept


def test_endless_conflicts_are_reported(lab: Lab, concurrent_changes: Callable[[int], list[int]]) -> None:
    tries = concurrent_changes(1000)
    assert lab.iam("grant", *ON) == CommandResult(
        4,
        "",
        "iam: The policy of gs://closed-bucket changed concurrently on each of 5 attempts, so your change was "
        "not saved.\n   → run the command again\n",
    )
    assert len(tries) == 5


# The full text of the errors

ROLE, MEMBER = "--role=roles/storage.objectViewer", f"--member={AGENT}"
ERRORS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no such bucket": (
        ("grant", "gs://no-bucket", ROLE, MEMBER),
        3,
        "iam: gs://no-bucket does not exist, so nothing was changed.\n"
        "   → buckets in the lab: closed-bucket, lab-data, lab-models\n",
    ),
    "no such user": (
        ("grant", "gs://closed-bucket", ROLE, "--member=user:nobody@example.com"),
        3,
        "iam: User nobody@example.com does not exist, so the policy of gs://closed-bucket was not changed.\n"
        "   → iam/lab.yaml lists the lab's principals\n",
    ),
    "no such account": (
        (
            "grant",
            "gs://closed-bucket",
            ROLE,
            "--member=serviceAccount:x@lab-project.iam.gserviceaccount.com",
        ),
        3,
        "iam: Service account x@lab-project.iam.gserviceaccount.com does not exist, so the policy of "
        "gs://closed-bucket was not changed.\n   → iam/lab.yaml lists the lab's principals\n",
    ),
    "a malformed member": (
        ("grant", "gs://closed-bucket", ROLE, "--member=alice@example.com"),
        2,
        'iam: Invalid principal "alice@example.com": the type prefix is missing.\n'
        "   → Write user:alice@example.com\n",
    ),
    "an unknown role": (
        ("grant", "gs://closed-bucket", "--role=roles/storage.objectViewr", MEMBER),
        2,
        'iam: Unknown role "roles/storage.objectViewr".\n   → Did you mean roles/storage.objectViewer?\n',
    ),
    "a custom role that is not there": (
        ("grant", "gs://closed-bucket", "--role=projects/p/roles/mine", MEMBER),
        3,
        "iam: Role projects/p/roles/mine is not supported for this resource, so the policy of "
        "gs://closed-bucket was not changed.\n",
    ),
    "storage.admin": (
        ("grant", "gs://closed-bucket", "--role=roles/storage.admin", MEMBER),
        3,
        "iam: roles/storage.admin allows far more than reading and writing objects; nothing was changed.\n"
        "   → grant roles/storage.objectViewer or roles/storage.objectUser, or pass --force\n",
    ),
    "a folder": (
        ("grant", "gs://closed-bucket/runs/", ROLE, MEMBER),
        2,
        "iam: Roles are granted on buckets, but gs://closed-bucket/runs/ is an object or a folder.\n"
        f"   → python -m iam grant gs://closed-bucket {ROLE} {MEMBER} --condition-prefix=runs/\n",
    ),
    "no URI": (
        ("grant", "closed-bucket", ROLE, MEMBER),
        2,
        'iam: Invalid Cloud Storage URI "closed-bucket": it does not start with gs://.\n'
        "   → Write gs://BUCKET/OBJECT, gs://BUCKET/FOLDER/ or gs://BUCKET.\n",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_is_one_sentence_with_a_fix(case: str, lab: Lab) -> None:
    words, code, text = ERRORS[case]
    before = lab.policies()
    assert lab.iam(*words) == CommandResult(code, "", text)
    assert lab.policies() == before


@pytest.mark.parametrize("role", ["roles/storage.admin", "roles/owner", "roles/editor", "roles/viewer"])
def test_broad_roles_need_force(role: str, lab: Lab) -> None:
    words = ("grant", "gs://closed-bucket", f"--role={role}", MEMBER)
    assert lab.iam(*words).code == 3
    assert lab.iam(*words, "--force").code == 0
    assert lab.iam("revoke", *words[1:]).code == 0  # revoking needs no --force


def test_a_caller_who_may_not_is_told_which_permission_is_missing(lab: Lab) -> None:
    lab.world.user = "user:alice@example.com"
    fix = (
        "   → a project owner can grant it: python -m iam grant gs://closed-bucket "
        "--role=roles/storage.legacyBucketOwner --member=user:alice@example.com\n"
    )
    text = "user:alice@example.com lacks storage.buckets.getIamPolicy on gs://closed-bucket, so nothing was changed."
    assert lab.iam("grant", *ON) == CommandResult(3, "", f"iam: {text}\n{fix}")
    more = {"role": "roles/iam.securityReviewer", "members": ["user:alice@example.com"]}
    holder = lab.world.buckets["closed-bucket"]
    lab.world.set_policy(holder, {"version": 1, "bindings": [*holder.policy["bindings"], more]})
    text = (
        "user:alice@example.com lacks storage.buckets.setIamPolicy on gs://closed-bucket, so the policy of "
        "gs://closed-bucket was not changed."
    )
    assert lab.iam("grant", *ON) == CommandResult(3, "", f"iam: {text}\n{fix}")


def test_a_policy_that_cant_be_understood_is_not_written_over(lab: Lab) -> None:
    holder = lab.world.buckets["closed-bucket"]
    lab.world.parsed("projects/_/buckets/closed-bucket", holder)  # the lab keeps the parsed policy
    holder.policy = {
        "version": 1,
        "bindings": [*holder.policy["bindings"], {"role": "viewer", "members": []}],
    }
    told = lab.iam("grant", *ON)
    assert told == CommandResult(
        3,
        "",
        "iam: Could not parse the policy of gs://closed-bucket, so it was not changed: "
        'policy.bindings[4].role must be roles/NAME or projects/PROJECT/roles/NAME, not "viewer".\n',
    )
    assert len(holder.policy["bindings"]) == 5


def test_an_unreachable_storage_is_reported(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from raydock.gcp.clouds import LabCloud as Place

    monkeypatch.setattr("iam.google_clients.TIMEOUT", 0.5)
    monkeypatch.setattr(Place, "base", lambda place, host: "http://127.0.0.1:9")
    told = lab.iam("grant", *ON)
    assert (told.code, told.out) == (4, "")
    assert told.err == (
        "iam: gs://closed-bucket could not be reached: ConnectionError; nothing was changed.\n   → try again\n"
    )
