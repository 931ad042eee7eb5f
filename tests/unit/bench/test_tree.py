"""The tree that is sent again and again."""

from __future__ import annotations

from pathlib import Path

from bench.measure.tree import FILES, LARGEST, SMALLEST, plant


def contents(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_it_is_the_same_tree_each_time_but_for_its_name(tmp_path: Path) -> None:
    one, other = (contents(plant(tmp_path / name, name)) for name in ("one", "other"))
    assert len(one) == FILES
    assert one.pop("job.py") != other.pop("job.py")
    assert one == other
    assert all(SMALLEST <= len(data) <= LARGEST for data in one.values())
