"""The tree that the package benchmark submits."""

from __future__ import annotations

from pathlib import Path

from bench.measure.tree import FILES, LARGEST, SMALLEST, plant


def contents(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_the_tree_is_reproducible_except_for_its_name(tmp_path: Path) -> None:
    one, other = (contents(plant(tmp_path / name, name)) for name in ("one", "other"))
    assert len(one) == FILES
    assert one.pop("job.py") != other.pop("job.py")
    assert one == other
    assert all(SMALLEST <= len(data) <= LARGEST for data in one.values())
