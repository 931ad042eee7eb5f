"""Each behavior of Vertex AI that is only inferred has a test for the real service."""

from __future__ import annotations

import re

from raydock.settings import ROOT

LIVE = ROOT / "tests" / "live" / "test_vertex_inferred.py"


def test_every_inferred_behavior_has_its_live_test() -> None:
    page = (ROOT / "docs" / "vertex-in-the-lab.md").read_text(encoding="utf-8")
    section = page.partition("## Inferred behavior")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!---|behavior)(.+?) \| .+ \| (.+) \|$", section, re.MULTILINE)
    named = {behavior: re.findall(r"`(test_\w+)`", tests) for behavior, tests in rows}
    assert [behavior for behavior, tests in named.items() if not tests] == []
    there = re.findall(r"^def (test_\w+)", LIVE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {one for tests in named.values() for one in tests} == {*there}
    assert len(rows) >= 17
