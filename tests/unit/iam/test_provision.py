"""`provision` and `deprovision` on the lab: the plan, its steps, and the restored initial state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iam.errors import MalformedPolicy
from iam.provision.service_accounts import service_accounts
from iam.session import open_session
from tests.labcloud import AGENT, TRAINER, YOU
from tests.unit.iam.conftest import CommandResult, Lab

ADDRESS = "ray-jobs@lab-project.iam.gserviceaccount.com"
JOB = f"serviceAccount:{ADDRESS}"
STEPS = (
    f"service account {ADDRESS}",
    "bucket gs://lab-project-ray-data",
    "bucket gs://lab-project-ray-models",
    f"roles/storage.objectViewer on gs://lab-project-ray-data for {JOB}",
    f"roles/storage.objectUser on gs://lab-project-ray-models for {JOB}",
    f"roles/storage.legacyBucketReader on gs://lab-project-ray-models for {JOB}",
    f"roles/iam.serviceAccountUser on {ADDRESS} for {YOU}",
    f"roles/iam.serviceAccountTokenCreator on {ADDRESS} for {YOU}",
)
NOTES = (
    "  · Network: nothing to create. Clusters are reached at their public endpoints, without VPC peering.\n"
    f"  · Clusters: create them with service account {ADDRESS}, so that jobs run as it.\n"
    f"  · Vertex AI: {YOU} needs roles/aiplatform.user on project lab-project to submit jobs: gcloud projects "
    f"add-iam-policy-binding lab-project --member={YOU} --role=roles/aiplatform.user\n"
)


def planned(state: str) -> str:
    return "Plan for project lab-project\n" + "".join(f"  {state:<7}{step}\n" for step in STEPS) + NOTES


@pytest.fixture(autouse=True)
def _nothing_left(lab: Lab) -> Any:
    """Delete new buckets, which the fixture does not reset."""
    yield
    client = lab.client()
    for name in set(lab.world.buckets) - {"lab-data", "lab-models", "closed-bucket"}:
        client.bucket(name).delete(force=True)


def test_twice_and_undone_leaves_the_world_as_it_was(lab: Lab, tmp_path: Path) -> None:
    before = lab.policies()
    made = "".join(f"created  {step}\n" for step in STEPS)
    assert lab.iam("provision", "--yes") == CommandResult(0, planned("create") + made, "")
    after = lab.policies()
    assert after != before
    assert lab.iam("provision", "--yes") == CommandResult(0, planned("exists") + "Nothing to do.\n", "")
    assert lab.policies() == after

    told = lab.iam("deprovision", "--buckets", "--yes")
    assert (told.code, told.err) == (0, "")
    assert lab.policies() == before
    assert not list(tmp_path.rglob("*.json"))
    nothing = "Provisioned in project lab-project\nNothing to do.\n"
    assert lab.iam("deprovision", "--buckets", "--yes") == CommandResult(0, nothing, "")


def test_what_is_made_is_enough_and_no_more(lab: Lab) -> None:
    lab.iam("provision", "--yes")
    data, models = "gs://lab-project-ray-data/a/", "gs://lab-project-ray-models/a/"
    job = ("--as", JOB)
    told = lab.iam(
        "check", models, "--list", "--read", "--write", "--overwrite", "--delete", "--look-up", *job
    )
    assert told.code == 0
    assert "(tested by impersonating the identity)" in told.out  # the caller may create tokens for it
    assert lab.iam("check", data, "--list", "--read", *job).code == 0
    assert lab.iam("check", data, "--write", *job).code == 3
    assert lab.iam("check", "gs://lab-data/", "--read", *job).code == 3
    held = {binding["role"] for holder in lab.world.buckets.values() for binding in holder.policy["bindings"]}
    assert "roles/storage.admin" not in held
    assert lab.policies()["lab-project"] == sorted(
        [
            ("roles/owner", YOU),
            ("roles/aiplatform.customCodeServiceAgent", AGENT),
            ("roles/iam.serviceAccountTokenCreator", YOU),
        ]
    )


def test_the_buckets_that_it_makes_are_closed_to_the_public(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud.storage import Client

    made: list[tuple[bool, str, str, str]] = []
    create = Client.create_bucket

    def noted(client: Any, bucket: Any, project: str, location: str, **more: Any) -> Any:
        how = bucket.iam_configuration
        uniform, public = how.uniform_bucket_level_access_enabled, how.public_access_prevention
        made.append((uniform, public, project, location))
        return create(client, bucket, project=project, location=location, **more)

    monkeypatch.setattr(Client, "create_bucket", noted)
    lab.iam("provision", "--yes", "--location=europe-west4")
    assert made == [(True, "enforced", "lab-project", "europe-west4")] * 2


def test_a_dry_run_makes_nothing(lab: Lab, tmp_path: Path) -> None:
    before = lab.policies()
    told = lab.iam("provision", "--dry-run", "--yes")
    assert told == CommandResult(0, planned("create") + "Dry run: nothing was changed.\n", "")
    assert lab.policies() == before
    assert not list(tmp_path.rglob("*.json"))


def test_a_plan_needs_confirmation(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lab.policies()
    text = "iam: Nothing was changed: there is no terminal to ask for confirmation.\n   → add --yes\n"
    assert lab.iam("provision") == CommandResult(2, planned("create"), text)
    for answer in ("\n", "n\n", "what?\n"):
        _terminal(monkeypatch, answer)
        told = lab.iam("provision")
        assert told == CommandResult(
            0, planned("create") + "Nothing was changed.\n", "Apply this plan? [y/N] "
        )
    assert lab.policies() == before
    _terminal(monkeypatch, "y\n")
    assert lab.iam("provision").out.count("created  ") == len(STEPS)


def _terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    import io

    typed = io.StringIO(answer)
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typed)


def test_what_was_there_before_stays(lab: Lab) -> None:
    """Buckets, an account and even a binding that existed before."""
    grant = ("--role=roles/storage.objectViewer", f"--member={TRAINER}")
    lab.iam("grant", "gs://lab-data", *grant)
    before = lab.policies()
    mine = ("--service-account=trainer", "--data-bucket=gs://lab-data", "--model-bucket=lab-models")
    told = lab.iam("provision", "--yes", *mine)
    assert told.out.count("  exists ") == 4
    assert told.out.count("created  ") == 4
    lab.iam("deprovision", "--buckets", "--yes")
    assert lab.policies() == before


def test_buckets_are_removed_only_empty_and_only_if_asked_for(lab: Lab) -> None:
    lab.iam("provision", "--yes")
    client = lab.client()
    client.bucket("lab-project-ray-models").blob("model").upload_from_string("weights")
    told = lab.iam("deprovision", "--yes")
    assert "  · bucket gs://lab-project-ray-models is kept; pass --buckets to remove it\n" in told.out
    assert "lab-project-ray-data" in lab.world.buckets
    told = lab.iam("deprovision", "--yes", "--buckets")
    assert told.code == 3
    assert "kept     gs://lab-project-ray-models: the bucket is not empty\n" in told.out
    assert "lab-project-ray-data" not in lab.world.buckets
    client.bucket("lab-project-ray-models").blob("model").delete()
    assert lab.iam("deprovision", "--yes", "--buckets").code == 0
    assert "lab-project-ray-models" not in lab.world.buckets


def test_the_removal_is_shown_first_too(lab: Lab) -> None:
    lab.iam("provision", "--yes")
    before = lab.policies()
    told = lab.iam("deprovision", "--buckets", "--dry-run")
    removed = "".join(f"  remove {step}\n" for step in reversed(STEPS))
    text = f"Provisioned in project lab-project\n{removed}Dry run: nothing was changed.\n"
    assert told == CommandResult(0, text, "")
    assert lab.policies() == before


def test_a_step_that_is_already_gone_is_skipped(lab: Lab) -> None:
    before = lab.policies()
    lab.iam("provision", "--yes")
    service_accounts(open_session("local", "")).delete_account(ADDRESS)
    told = lab.iam("deprovision", "--buckets", "--yes")
    assert told.code == 0
    assert f"  gone   service account {ADDRESS}\n" in told.out
    assert lab.policies() == before


def test_an_interruption_can_be_resumed_and_undone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from iam.provision.apply import Provisioner

    before = lab.policies()
    make = Provisioner.create
    for died in range(len(STEPS)):
        count = [0]

        def dying(worker: Provisioner, step: Any, count: list[int] = count, died: int = died) -> None:
            make(worker, step)  # the step is done, but not reported
            count[0] += 1
            if count[0] > died:
                raise KeyboardInterrupt

        monkeypatch.setattr(Provisioner, "create", dying)
        assert lab.iam("provision", "--yes").code == 130
        monkeypatch.setattr(Provisioner, "create", make)
        if died % 2:
            assert lab.iam("provision", "--yes").out.count("created  ") == len(STEPS) - died - 1
        assert lab.iam("deprovision", "--yes", "--buckets").code == 0
        assert lab.policies() == before


def test_vertex_itself_is_granted_if_asked_for_and_allowed(lab: Lab) -> None:
    before = lab.policies()
    role = f"roles/aiplatform.user on project lab-project for {YOU}"
    told = lab.iam("provision", "--yes", "--grant-vertex")
    assert f"created  {role}\n" in told.out
    assert "Vertex AI:" not in told.out
    lab.iam("deprovision", "--yes", "--buckets")
    assert lab.policies() == before
    admin = [
        {"role": "roles/iam.serviceAccountAdmin", "members": ["user:alice@example.com"]},
        {"role": "roles/viewer", "members": ["user:alice@example.com"]},
    ]
    holder = lab.world.projects["lab-project"]
    lab.world.set_policy(holder, {"version": 1, "bindings": [*holder.policy["bindings"], *admin]})
    lab.world.user = "user:alice@example.com"
    told = lab.iam("provision", "--dry-run", "--grant-vertex")
    assert told.code == 0
    assert "· Vertex AI: user:alice@example.com needs roles/aiplatform.user" in told.out
    assert (
        "· You can't grant roles/aiplatform.user to user:alice@example.com: you lack "
        "resourcemanager.projects.setIamPolicy on the project.\n" in told.out
    )


# A new account is not visible everywhere immediately (eventual consistency).


@pytest.fixture
def slow(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Policies accept the new account only after `times` writes."""
    from iam.lab import members as rules

    known = rules.require_member
    monkeypatch.setattr("iam.provision.apply.POLL_INTERVAL", 0.01)

    def begin(times: int) -> list[int]:
        left = [times]

        def late(member: str, members: rules.Members) -> None:
            if member == JOB and left[0] > 0:
                left[0] -= 1
                raise MalformedPolicy(f"Service account {ADDRESS} does not exist.")
            known(member, members)

        monkeypatch.setattr(rules, "require_member", late)
        return left

    return begin


def test_a_new_account_is_waited_for(lab: Lab, slow: Any) -> None:
    slow(7)
    assert lab.iam("provision", "--yes").code == 0
    assert lab.iam("provision", "--yes").out.endswith("Nothing to do.\n")


def test_the_wait_is_limited(lab: Lab, slow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(10**9)
    monkeypatch.setattr("iam.provision.apply.VISIBILITY_TIMEOUT", 0.1)
    told = lab.iam("provision", "--yes")
    undone = "so the policy of gs://lab-project-ray-data was not changed.\n"
    text = f"iam: Service account {ADDRESS} does not exist, {undone}"
    assert (told.code, told.err) == (3, text)
    assert told.out.count("created  ") == 3


# Errors

ERRORS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "a name": (
        ("--service-account=Ray",),
        2,
        'iam: Invalid service account name "Ray".\n'
        "   → use 6 to 30 lowercase letters, digits and '-', starting with a letter, such as ray-jobs\n",
    ),
    "a bucket": (
        ("--data-bucket=gs://lab-data/folder/",),
        2,
        'iam: "lab-data/folder" is a folder, not a bucket.\n   → use lab-data\n',
    ),
    "a caller": (
        ("--caller=you@example.com",),
        2,
        'iam: Invalid principal "you@example.com": the type prefix is missing.\n'
        "   → Write user:you@example.com\n",
    ),
    "a project": (
        ("--project=no-such-project",),
        3,
        "iam: user:you@example.com lacks iam.serviceAccounts.create on project no-such-project, so service account "
        "ray-jobs was not created.\n   → ask a project owner\n",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_refusal_is_one_sentence(case: str, lab: Lab) -> None:
    words, code, text = ERRORS[case]
    before = lab.policies()
    told = lab.iam("provision", "--yes", *words)
    assert (told.code, told.err) == (code, text)
    assert lab.policies() == before


def test_a_caller_who_may_not_create_accounts_is_told(lab: Lab) -> None:
    lab.world.user = "user:alice@example.com"
    told = lab.iam("provision", "--yes")
    text = (
        "iam: user:alice@example.com lacks iam.serviceAccounts.create on project lab-project, so service account "
        "ray-jobs was not created.\n   → ask a project owner\n"
    )
    assert (told.code, told.err) == (3, text)
    assert lab.iam("deprovision", "--yes").out.endswith("Nothing to do.\n")


def test_what_others_create_after_an_error_is_kept(lab: Lab) -> None:
    from cloud.lab_state import PolicyHolder

    before, lab.world.user = lab.world.user, "user:alice@example.com"
    assert lab.iam("provision", "--yes").code == 3
    lab.world.user = before
    lab.world.accounts[ADDRESS] = PolicyHolder("lab-project", {"version": 1, "bindings": []})
    assert lab.iam("deprovision", "--yes", "--buckets").out.endswith("Nothing to do.\n")
    assert ADDRESS in lab.world.accounts


def test_what_others_create_between_plan_and_step_is_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from cloud.lab_state import PolicyHolder
    from iam.provision.apply import Provisioner

    plan = Provisioner.plan

    def then_they(worker: Provisioner, want: Any) -> Any:
        found = plan(worker, want)
        lab.world.accounts[ADDRESS] = PolicyHolder("lab-project", {"version": 1, "bindings": []})
        return found

    monkeypatch.setattr(Provisioner, "plan", then_they)
    assert lab.iam("provision", "--yes").code == 0
    assert lab.iam("deprovision", "--yes", "--buckets").code == 0
    assert lab.policies()[ADDRESS] == []


def test_a_buckets_name_that_is_taken(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bucket names are global: another project creates it between the plan and the step."""
    from iam.provision.apply import Provisioner

    plan = Provisioner.plan

    def then_they(worker: Provisioner, want: Any) -> Any:
        found = plan(worker, want)
        lab.client().create_bucket("lab-project-ray-data", project="other-project")
        return found

    monkeypatch.setattr(Provisioner, "plan", then_they)
    told = lab.iam("provision", "--yes")
    assert (told.code, told.err) == (
        4,
        "iam: The requested bucket name is not available: gs://lab-project-ray-data was not created.\n"
        "   → choose another name with --data-bucket or --model-bucket\n",
    )
    assert lab.iam("deprovision", "--yes", "--buckets").code == 0
    assert "lab-project-ray-data" in lab.world.buckets


def test_a_record_that_cant_be_understood(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "provisioned" / "local-lab-project.json"
    file.parent.mkdir()
    for text in (
        "{",
        "[]",
        json.dumps({"version": 2, "steps": []}),
        json.dumps({"version": 1, "steps": [{}]}),
    ):
        file.write_text(text)
        told = lab.iam("deprovision", "--yes")
        assert told == CommandResult(
            3,
            "",
            "iam: Could not parse the record of provisioned resources, local-lab-project.json.\n"
            "   → remove the resources by hand, then delete the file in provisioned/\n",
        )
