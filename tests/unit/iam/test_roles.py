"""The role file: properties of Google's roles, and the errors of a malformed file."""

from __future__ import annotations

from pathlib import Path

import pytest

from iam.errors import MalformedRoles, UnknownRole
from iam.policy.roles import EXCERPT, find, load_roles, roles
from iam.policy.ternary import Ternary


def verbs(role: str, resource: str) -> set[str]:
    start = f"storage.{resource}."
    return {p.removeprefix(start) for p in roles()[f"roles/{role}"].permissions if p.startswith(start)}


def test_the_traps() -> None:
    assert verbs("storage.objectViewer", "objects") == {"get", "list"}
    assert verbs("storage.objectCreator", "objects") == {"create", "createContext"}
    assert verbs("storage.objectUser", "buckets") == verbs("storage.objectAdmin", "buckets") == set()
    assert verbs("storage.legacyObjectReader", "objects") == {"get"}
    assert verbs("storage.bucketViewer", "buckets") == {"get", "list"}
    for basic in ("owner", "editor", "viewer"):
        assert verbs(basic, "objects") == set()
        assert "get" not in verbs(basic, "buckets")
    assert {"get", "list", "create", "delete"} <= verbs("aiplatform.customCodeServiceAgent", "objects")


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("storage.objectViewer", "storage.objectUser"),
        ("storage.objectCreator", "storage.objectUser"),
        ("storage.objectUser", "storage.objectAdmin"),
        ("storage.objectAdmin", "storage.folderAdmin"),
        ("storage.folderAdmin", "storage.admin"),
        ("storage.legacyBucketReader", "storage.legacyBucketWriter"),
        ("storage.legacyBucketWriter", "storage.legacyBucketOwner"),
        ("storage.legacyObjectReader", "storage.legacyObjectOwner"),
        ("iam.securityReviewer", "iam.securityAdmin"),
    ],
)
def test_the_roles_that_contain_each_other(less: str, more: str) -> None:
    assert roles()[f"roles/{less}"].permissions < roles()[f"roles/{more}"].permissions


def test_every_role_has_a_source_and_says_that_it_is_an_excerpt() -> None:
    for role in roles().values():
        assert role.source.startswith("https://cloud.google.com/iam/docs/"), role.name
        assert role.note.endswith(EXCERPT), role.name
        assert all(p.startswith(role.services) for p in role.permissions), role.name


def test_outside_an_excerpt_nothing_is_known() -> None:
    role = roles()["roles/storage.objectViewer"]
    assert role.holds("storage.objects.get") is Ternary.TRUE
    assert role.holds("storage.objects.delete") is Ternary.FALSE
    assert role.holds("orgpolicy.policy.get") is Ternary.UNKNOWN


def test_custom_roles_are_whole() -> None:
    held = frozenset({"storage.objects.get"})
    there = load_roles({"projects/lab/roles/reader": held})
    assert there["projects/lab/roles/reader"].holds("orgpolicy.policy.get") is Ternary.FALSE
    assert set(there) == {*roles(), "projects/lab/roles/reader"}
    assert roles() is roles()


def test_a_role_that_is_not_there() -> None:
    assert find("roles/storage.objectViewer").name == "roles/storage.objectViewer"
    with pytest.raises(UnknownRole) as caught:
        find("storage.objectviewer")
    assert caught.value.message == 'Unknown role "storage.objectviewer".'
    assert caught.value.fix == "Did you mean roles/storage.objectViewer?"


GOOD = "covers: [storage.]\nroles:\n  roles/x:\n    source: https://example.com\n    permissions: {storage.a: [b]}\n"
BAD = [
    (
        GOOD.replace("covers", "cover"),
        'r.yaml has an unknown key "cover".',
        'Did you mean "covers"?',
    ),
    (GOOD.replace("[storage.]", "storage."), "r.yaml: covers must be a list, not a string.", ""),
    ("covers: []\nroles: []\n", "r.yaml: roles must be an object, not a list.", ""),
    ("covers: []\n", "r.yaml: roles must be an object, not null.", ""),
    ("", "r.yaml must be an object, not null.", ""),
    (
        GOOD.replace("source", "sauce"),
        'r.yaml: roles/x has an unknown key "sauce".',
        'Did you mean "source"?',
    ),
    (
        GOOD.replace("https://example.com", "hearsay"),
        "r.yaml: roles/x needs a source: the https:// page that lists its permissions.",
        "",
    ),
    (GOOD.replace("[b]", "b"), "r.yaml: roles/x: storage.a must be a list, not a string.", ""),
    (
        GOOD.replace("[b]", "[true]"),
        "r.yaml: roles/x: storage.a[0] must be a string, not a boolean.",
        "",
    ),
    (
        GOOD.replace("storage.a", "compute.a"),
        "r.yaml: roles/x includes compute.a.b, which matches no prefix in `covers`.",
        "",
    ),
]


@pytest.mark.parametrize(("text", "message", "fix"), BAD, ids=[row[1] for row in BAD])
def test_a_malformed_file_is_refused_with_its_place(
    tmp_path: Path, text: str, message: str, fix: str
) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(text)
    with pytest.raises(MalformedRoles) as caught:
        load_roles(file=file)
    assert (caught.value.message, caught.value.fix) == (message, fix)


def test_a_file_that_is_no_yaml_or_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    with pytest.raises(MalformedRoles, match=r"^Could not read the role file r\.yaml: "):
        load_roles(file=file)
    file.write_text("a: [")
    with pytest.raises(MalformedRoles, match=r"^The role file r\.yaml is not valid YAML: .* line 1"):
        load_roles(file=file)
