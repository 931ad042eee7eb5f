"""Every nightly test names tests of `make test` that cover the same behaviour."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.__main__ import GATE
from tests.lab import ROOT

COLLECT = """
import json, sys, pytest

class Collected:
    @pytest.hookimpl(tryfirst=True)  # before any is deselected
    def pytest_collection_modifyitems(self, items):
        self.marks = {
            item.nodeid: [mark.args for mark in item.iter_markers("nightly")]
            for item in items if not item.get_closest_marker("live")
        }

    def pytest_collection_finish(self, session):
        with open(sys.argv[1], "w") as file:
            json.dump([self.marks, [item.nodeid for item in session.items]], file)

sys.exit(pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", "-m", sys.argv[2]], [Collected()]))
"""
Marks = dict[str, list[list[str]]]  # the arguments of each test's `nightly` marks, by node id


def collected(file: Path) -> tuple[Marks, list[str]]:
    """All tests but the live ones, and the tests that `make test` runs."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, str(file), GATE],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    marks, gate = json.loads(file.read_text())
    return marks, gate


def complaints(everything: Marks, gate: Iterable[str]) -> list[str]:
    """Nightly marks that name no test, or a test outside the gate."""
    there = set(gate)
    there |= {name.partition("[")[0] for name in there}
    found = []
    for test, marks in everything.items():
        if test in there and marks:
            found.append(f"{test} is nightly and in the gate")
        for names in marks:
            if not names or not names[0]:
                found.append(f"{test} names no test of the gate")
            found += [
                f"{test} names {name}, which the gate does not run" for name in sorted(set(names) - there)
            ]
    return found


def test_every_nightly_test_is_covered_by_the_gate(tmp_path: Path) -> None:
    everything, gate = collected(tmp_path / "collected")
    assert complaints(everything, gate) == []
    assert {test for test, marks in everything.items() if not marks} == set(gate)
    assert len(gate) < len(everything)


def test_bad_names_are_reported() -> None:
    everything: Marks = {
        "a.py::one": [],
        "a.py::two[x]": [],
        "a.py::good": [["a.py::two", "a.py::one"]],
        "a.py::also": [["a.py::two[x]"]],
        "a.py::none": [[]],
        "a.py::gone": [["a.py::two[y]"]],
        "a.py::late": [["a.py::good"]],
    }
    assert complaints(everything, ["a.py::one", "a.py::two[x]"]) == [
        "a.py::none names no test of the gate",
        "a.py::gone names a.py::two[y], which the gate does not run",
        "a.py::late names a.py::good, which the gate does not run",
    ]
