"""Every tree of the corpus: what is packaged, what is excluded and why, or the error; and what Ray unpacks."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from submit.package import Contents, PackageError, digest, pack, tree_contents

from .build import within
from .corpus import CASES, Case

DEADLINE = 30.0  # seconds; each takes well under one, except the 10,000 files
SENT = [case for case in CASES if case.refused is None]
Unpack = Callable[[Path, Path], None]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tree = tmp_path.resolve() / "tree"
    tree.mkdir()
    monkeypatch.setenv("HOME", f"{tmp_path.resolve()}/home")
    return tree


def made(case: Case, tree: Path) -> Contents:
    case.build(tree)
    root = tree if case.root == "." else tree / case.root
    return within(DEADLINE, lambda: tree_contents(root, case.limits))


def test_corpus_is_large() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", SENT, ids=lambda case: case.name)
def test_packaged_files(case: Case, tree: Path) -> None:
    contents = made(case, tree)
    assert {entry.name for entry in contents.entries} == case.travels
    assert {one.name: one.reason for one in contents.excluded} == case.excluded
    for entry in contents.entries:
        assert not entry.path.is_symlink()
        assert entry.path.is_relative_to(contents.root)
        assert entry.size == entry.path.stat().st_size
        assert entry.mode in (0o755, 0o644)


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=lambda case: case.name)
def test_refusals(case: Case, tree: Path) -> None:
    with pytest.raises(PackageError) as caught:
        made(case, tree)
    assert case.refused is not None
    assert type(caught.value) is case.refused.kind
    assert str(caught.value) == caught.value.message == case.refused.message.replace("{tree}", str(tree))
    assert caught.value.fix == case.refused.fix
    assert caught.value.exit_code == 3


@pytest.fixture(scope="module")
def ray_unpack() -> Unpack:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        from ray._private.runtime_env.packaging import unzip_package

    return lambda package, target: unzip_package(
        str(package), str(target), remove_top_level_directory=False, unlink_zip=False
    )


@pytest.mark.parametrize("case", SENT, ids=lambda case: case.name)
def test_what_ray_unpacks(case: Case, tree: Path, tmp_path: Path, ray_unpack: Unpack) -> None:
    contents = made(case, tree)
    name = within(DEADLINE, lambda: digest(contents))
    data = within(DEADLINE, lambda: pack(contents, name))
    assert data == pack(contents, name)
    (tmp_path / "package.zip").write_bytes(data)
    ray_unpack(tmp_path / "package.zip", tmp_path / "unpacked")
    unpacked = {
        str(path.relative_to(tmp_path / "unpacked")): path.read_bytes()
        for path in (tmp_path / "unpacked").rglob("*")
        if not path.is_dir()
    }
    assert unpacked == {entry.name: entry.path.read_bytes() for entry in contents.entries}


def test_modes_and_times_in_the_zip(tree: Path) -> None:
    case = next(case for case in CASES if case.name == "modes")
    contents = made(case, tree)
    with zipfile.ZipFile(io.BytesIO(pack(contents, digest(contents)))) as archive:
        found = {info.filename: (info.external_attr >> 16, info.date_time) for info in archive.infolist()}
    assert found == {
        "empty": (0o100644, (1980, 1, 1, 0, 0, 0)),
        "locked.py": (0o100644, (1980, 1, 1, 0, 0, 0)),
        "run.sh": (0o100755, (1980, 1, 1, 0, 0, 0)),
    }
