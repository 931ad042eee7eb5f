"""CPU time of an idle lab: what each part used in a minute."""

from __future__ import annotations

import pytest

from bench.idle import rows, spent


def test_parts_that_started_later_count_from_zero() -> None:
    before, after = {"head": 10.0, "cloud": 1.0}, {"head": 13.0, "cloud": 1.5, "cpu-worker-1": 2.0}
    assert spent(before, after, 0.5) == {"cloud": 0.25, "cpu-worker-1": 1.0, "head": 1.5}


def test_the_parts_add_up() -> None:
    whole, *parts = rows("docker", [{"cloud": 0.25, "head": 1.5}, {"cloud": 0.35, "head": 1.7}])
    assert whole.ours.value == pytest.approx((1.75 + 2.05) / 2)
    assert [part.what for part in parts] == ["– cloud", "– head"]
