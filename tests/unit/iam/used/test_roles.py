"""The smallest set of roles, compared with a search through all sets."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from iam.policy import resource as resources
from iam.policy.roles import Role, roles
from iam.used.roles import smallest_roles

BUCKET = resources.bucket("some-bucket")
VERBS = [f"storage.objects.{verb}" for verb in ("get", "list", "create", "delete", "update", "restore")]
EVERY = [*VERBS, "storage.buckets.get"]


def names(*wanted: str) -> list[str]:
    return [role.name.removeprefix("roles/storage.") for role in smallest_roles(wanted, BUCKET)]


def test_what_jobs_usually_use() -> None:
    get, listing, create, delete = VERBS[:4]
    assert names(get) == names(get, listing) == ["objectViewer"]
    assert names(create) == ["objectCreator"]
    assert names(create, get, listing) == ["objectCreator", "objectViewer"]
    assert names(create, delete) == names(create, delete, get, listing) == ["objectUser"]
    assert names(get, listing, "storage.buckets.get") == ["legacyBucketReader", "objectViewer"]
    assert names(*EVERY) == ["legacyBucketReader", "objectUser"]


def test_there_is_none_that_can_change_policies() -> None:
    assert names("storage.buckets.setIamPolicy") == names("storage.buckets.delete") == []
    assert smallest_roles(["storage.buckets.list"], resources.project("p")) == ()
    assert smallest_roles([], BUCKET) == ()


made_up = st.dictionaries(
    st.sampled_from(
        [f"roles/storage.{name}" for name in ("a", "b", "c", "d", "legacyA", "legacyB", "anAdmin")]
    ),
    st.frozensets(st.sampled_from([*EVERY, "storage.buckets.setIamPolicy"]), min_size=1),
    max_size=7,
)


def cheapest(wanted: frozenset[str], known: dict[str, Role]) -> set[str]:
    """By checking every set of roles, without the rules about which ones to try."""
    able = [
        one
        for one in known.values()
        if "Admin" not in one.name and not any(held.endswith("setIamPolicy") for held in one.permissions)
    ]
    groups = chain.from_iterable(combinations(able, size) for size in range(len(able) + 1))
    found = []
    for group in groups:
        held = frozenset[str]().union(*(one.permissions for one in group))
        if wanted <= held:
            legacy = sum(len(one.permissions) for one in group if "legacy" in one.name)
            found.append((legacy, len(held), len(group), sorted(one.name for one in group)))
    return set(min(found)[3]) if found else set()


@settings(max_examples=300, deadline=None)
@given(made_up, st.frozensets(st.sampled_from(EVERY), min_size=1))
def test_it_is_the_smallest_of_all_sets(held: dict[str, frozenset[str]], wanted: frozenset[str]) -> None:
    known = {name: Role(name, permissions) for name, permissions in held.items()}
    assert {one.name for one in smallest_roles(wanted, BUCKET, known)} == cheapest(wanted, known)


@given(st.frozensets(st.sampled_from(EVERY), min_size=1))
def test_googles_roles_cover_what_jobs_do(wanted: frozenset[str]) -> None:
    found = smallest_roles(wanted, BUCKET)
    assert wanted <= frozenset[str]().union(*(one.permissions for one in found))
    assert all(one in roles().values() for one in found)
