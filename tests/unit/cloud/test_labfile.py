"""lab.yaml, and the saved state."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud import state_file
from cloud.config import read
from iam.errors import IamError
from iam.lab.settings import FILE as LAB_FILE
from tests.labcloud import AGENT, TRAINER

TEXT = LAB_FILE.read_text()


def test_the_labs_own_file() -> None:
    found = state_file.load(LAB_FILE, None)
    assert (found.person, found.job) == ("user:you@example.com", AGENT)
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
            "person:",
            "persn:",
            "lab.yaml is invalid: the file has the unknown key 'persn'; allowed are groups, job, people,",
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
            "lab-models has the unknown key 'bindngs'; allowed are bindings, objects.",
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
        "LAB_SERVICE_ACCOUNT names nobody@lab-project.iam.gserviceaccount.com, which is not an account of the lab."
    )
    assert (
        wrong.value.fix
        == "Use one of these, or add it to iam/lab.yaml: trainer@lab-project.iam.gserviceaccount.com"
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
