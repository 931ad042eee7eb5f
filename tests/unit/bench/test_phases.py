"""The phases of a submission add up to the whole."""

from __future__ import annotations

from bench.submission.phases import PHASES, rows


def test_the_phases_add_up() -> None:
    whole, *phases = rows([[0.0, 0.3, 0.5, 0.9, 1.0, 1.1], [10.0, 10.3, 10.5, 10.9, 11.0, 11.1]])
    assert round(whole.ours.value, 6) == 1.1
    assert [row.what for row in phases] == [f"– {what}" for what in PHASES]
    assert [round(row.ours.value, 6) for row in phases] == [0.3, 0.2, 0.4, 0.1, 0.1]
