"""lab.yaml, and the saved state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud import state_file
from cloud.config import read
from cloud.lab_state import LabState, PolicyHolder, legacy_bindings
from iam.errors import IamError
from iam.lab.settings import FILE as LAB_FILE
from tests.labcloud import AGENT, TRAINER

NEW = "worker@lab-project.iam.gserviceaccount.com"
TEXT = LAB_FILE.read_text()


def test_the_labs_own_file() -> None:
    found = state_file.load(LAB_FILE, None)
    assert (found.user, found.job) == ("user:you@example.com", AGENT)
    assert set(found.buckets) == {"lab-data", "lab-models", "closed-bucket"}
    assert state_file.load(LAB_FILE, None, TRAINER.partition(":")[2]).job == TRAINER


def test_a_restart_keeps_what_was_changed(tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(TEXT)
    first = state_file.load(lab, tmp_path / "state")
    policy = {"bindings": [{"role": "roles/storage.objectViewer", "members": [AGENT]}]}
    first.set_policy(first.buckets["closed-bucket"], policy)
    first.save()
    again = state_file.load(lab, tmp_path / "state", TRAINER.partition(":")[2])
    assert again.buckets["closed-bucket"].policy["bindings"] == policy["bindings"]
    assert again.buckets["closed-bucket"].etag == first.buckets["closed-bucket"].etag
    assert again.job == TRAINER
    assert state_file.load(lab, tmp_path / "state").job == AGENT
    lab.write_text(TEXT + "# changed\n")
    assert (
        state_file.load(lab, tmp_path / "state").buckets["closed-bucket"].policy["bindings"]
        != policy["bindings"]
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "\nuser:",
            "\nusr:",
            "lab.yaml is invalid: the file has an unknown key 'usr'; allowed: clusters, groups, job,",
        ),
        ("    number: 123456789012\n", "", "lab.yaml is invalid: KeyError 'number'"),
        ("roles/owner", "roles/ownr", "Role roles/ownr is not supported for this resource."),
        (
            "user:you@example.com",
            "you@example.com",
            'Invalid principal "you@example.com": the type prefix is',
        ),
        ("projects:\n", "projects: [\n", "lab.yaml is not valid YAML: "),
        (
            "lab-models: {}",
            "lab-models: {bindngs: []}",
            "lab-models has an unknown key 'bindngs'; allowed: bindings, objects.",
        ),
        ("number: 123456789012", "number: .inf", "lab-project.number must be a project number, not inf"),
        ("number: 123456789012", "number: true", "lab-project.number must be a project number, not True"),
        ("user:you@example.com", "2024-13-45", "lab.yaml is not valid YAML: month must be in 1..12"),
        ("user:you@example.com", "!!bool x", "lab.yaml is not valid YAML: 'x'"),
        (
            "accounts: []",
            "accounts: [5]",
            "other-project.accounts[0] must be a string, not a number.",
        ),
        ("accounts: []", "accounts: abc", "other-project.accounts must be a list, not a string."),
        (
            '{x: "hello from closed-bucket"}',
            "{x: 2024-01-01}",
            "objects.x must be a string, not date.",
        ),
        ("[user:alice@example.com, user:you@example.com]", "[alice]", 'Invalid principal "alice"'),
        ("closed-bucket:", "lab-data:", "lab-data is defined 2 times."),
        ("projects:\n", "projects:\n  none:\n", "none must be an object, not null."),
    ],
)
def test_an_invalid_file_has_a_clear_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    lab = tmp_path / "lab.yaml"
    lab.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(IamError) as wrong:
        state_file.load(lab, None)
    assert message in wrong.value.message
    assert wrong.value.fix == "Fix lab.yaml"


@pytest.mark.parametrize("text", ["", "[]", "hello", "- a", "projects:"])
def test_a_file_with_another_kind_of_document(tmp_path: Path, text: str) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(text)
    with pytest.raises(IamError, match=r"^lab\.yaml is invalid: "):
        state_file.load(lab, None)


def test_an_unknown_account() -> None:
    with pytest.raises(IamError) as wrong:
        state_file.load(LAB_FILE, None, "nobody@lab-project.iam.gserviceaccount.com")
    assert wrong.value.message == (
        "LAB_SERVICE_ACCOUNT is nobody@lab-project.iam.gserviceaccount.com, which does not exist in the lab."
    )
    assert (
        wrong.value.fix
        == "Add it to iam/lab.yaml, or use one of these: trainer@lab-project.iam.gserviceaccount.com"
    )


@pytest.mark.parametrize("text", ["x", "0", "-1", "43201", "nan"])
def test_an_invalid_token_lifetime(text: str) -> None:
    with pytest.raises(IamError, match="LAB_TOKEN_TTL is"):
        read({"LAB_TOKEN_TTL": text})


def test_networks_to_allow() -> None:
    assert [str(one) for one in read({"LAB_EGRESS_ALLOW": "10.0.0.0/8, 192.168.1.0/24"}).egress_allow] == [
        "10.0.0.0/8",
        "192.168.1.0/24",
    ]
    with pytest.raises(IamError, match=r"LAB_EGRESS_ALLOW is '10\.0\.0\.1/8': "):
        read({"LAB_EGRESS_ALLOW": "10.0.0.1/8"})


def test_the_old_name_of_the_setting_counts_unless_the_new_one_is_set() -> None:
    old = {"LAB_WAY_OUT": "10.0.0.0/8"}
    assert [str(one) for one in read(old).egress_allow] == ["10.0.0.0/8"]
    assert [str(one) for one in read(old | {"LAB_EGRESS_ALLOW": ""}).egress_allow] == ["10.0.0.0/8"]
    both = read(old | {"LAB_EGRESS_ALLOW": "192.168.1.0/24"})
    assert [str(one) for one in both.egress_allow] == ["192.168.1.0/24"]
    with pytest.raises(IamError, match=r"LAB_WAY_OUT is '10\.0\.0\.1/8': "):
        read({"LAB_WAY_OUT": "10.0.0.1/8"})


def test_another_processs_state_is_read_when_it_changes(tmp_path: Path) -> None:
    saved = state_file.StateFile(tmp_path / "world.json")
    with pytest.raises(IamError, match="the lab's cloud has not started"):
        saved.current()
    world = state_file.load(LAB_FILE, tmp_path)
    assert saved.current().as_json() == world.as_json()
    assert saved.current() is saved.current()
    world.groups["group:new@example.com"] = []
    world.save()
    assert "group:new@example.com" in saved.current().groups


def test_the_state_of_another_version_keeps_what_was_added(tmp_path: Path) -> None:
    """It may have names that this version lacks, and the other way round."""
    lab_state = state_file.load(LAB_FILE, tmp_path)
    lab_state.buckets["mine"] = PolicyHolder("lab-project", {"version": 1, "bindings": []}, added=True)
    lab_state.save()
    saved = json.loads((tmp_path / "world.json").read_text())
    saved["person"] = saved.pop("user")
    saved["buckets"]["mine"]["colour"] = "red"
    (tmp_path / "world.json").write_text(json.dumps(saved))
    again = state_file.load(LAB_FILE, tmp_path)
    assert (again.user, "mine" in again.buckets) == ("user:you@example.com", True)


def changed(tmp_path: Path) -> LabState:
    """The state after a start with a changed lab.yaml."""
    lab = tmp_path / "lab.yaml"
    lab.write_text(TEXT + "# changed\n")
    return state_file.load(lab, tmp_path)


def test_what_was_added_to_the_running_lab_survives_a_changed_file(tmp_path: Path) -> None:
    world = state_file.load(LAB_FILE, tmp_path)
    world.add_bucket("new-bucket", "lab-project", added=True)
    world.accounts[NEW] = PolicyHolder("lab-project", {"version": 1, "bindings": []}, added=True)
    reader = {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{NEW}"]}
    for name in ("new-bucket", "lab-data"):
        world.set_policy(world.buckets[name], {"version": 1, "bindings": [reader]})
    world.choose_job(NEW)
    again = state_file.load(LAB_FILE, tmp_path)
    assert (again.job, again.buckets.keys()) == (f"serviceAccount:{NEW}", world.buckets.keys())
    after = changed(tmp_path)
    assert (after.job, NEW in after.accounts) == (f"serviceAccount:{NEW}", True)
    assert after.buckets["new-bucket"].policy["bindings"] == [reader]
    assert reader not in after.buckets["lab-data"].policy["bindings"], "lab.yaml defines this one"


def test_a_policy_whose_members_are_gone_is_a_new_ones(tmp_path: Path) -> None:
    world = state_file.load(LAB_FILE, tmp_path)
    world.add_bucket("new-bucket", "lab-project", added=True)
    world.add_bucket("their-bucket", "other-project", added=True)
    reader = {"role": "roles/storage.objectViewer", "members": ["user:alice@example.com"]}
    world.set_policy(world.buckets["new-bucket"], {"version": 1, "bindings": [reader]})
    world.save()
    text = LAB_FILE.read_text().replace("alice@example.com", "carol@example.com")
    lab = tmp_path / "lab.yaml"
    lab.write_text(text.replace("  other-project:", "  third-project:"))
    after = state_file.load(lab, tmp_path)
    assert after.buckets["new-bucket"].policy["bindings"] == legacy_bindings("lab-project")
    assert "their-bucket" not in after.buckets, "its project is gone"


def test_the_setting_overrides_the_chosen_account_and_a_removed_one_is_forgotten(tmp_path: Path) -> None:
    trainer = "trainer@lab-project.iam.gserviceaccount.com"
    world = state_file.load(LAB_FILE, tmp_path)
    default = world.job
    world.accounts[NEW] = PolicyHolder("lab-project", {"version": 1, "bindings": []}, added=True)
    world.choose_job(NEW)
    with_setting = state_file.load(LAB_FILE, tmp_path, trainer)
    assert (with_setting.job, with_setting.job_is_set) == (f"serviceAccount:{trainer}", True)
    assert state_file.load(LAB_FILE, tmp_path).job == f"serviceAccount:{NEW}"
    del world.accounts[NEW]
    world.save()
    assert state_file.load(LAB_FILE, tmp_path).job == default


def test_a_misspelled_account_of_the_setting(tmp_path: Path) -> None:
    with pytest.raises(IamError) as wrong:
        state_file.load(LAB_FILE, None, "trianer@lab-project.iam.gserviceaccount.com")
    assert wrong.value.fix == "Did you mean trainer@lab-project.iam.gserviceaccount.com?"
