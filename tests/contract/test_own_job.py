"""The complete script of docs/your-own-job.md runs as the page says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import ROOT, environment, submit
from tests.lab import Lab


@pytest.mark.parametrize("lab", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True)
def test_the_example_installs_its_dependency_and_fills_a_row_of_the_report(lab: Lab, tmp_path: Path) -> None:
    written = tmp_path / "result.json"
    script = ROOT / "docs" / "examples" / "best_depth.py"
    env = environment(**lab.reach)
    done = submit("--result", written, script, "--", "--trees", "3", env=env, timeout=300)
    assert done.code == 0, done.out + done.err
    assert "installs humanize" in done.err
    result = json.loads(written.read_text())
    assert set(result) == {"seconds", "metrics", "data"}
    assert result["metrics"]["accuracy"] > 0.8
