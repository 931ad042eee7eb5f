"""The backend that jobs/sklearn_joblib.py uses: what it promises, on a cluster of three nodes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.command import ROOT
from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import started

CHECKS = ROOT / "tests" / "jobs" / "joblib_contract.py"
HERE = "tests/contract/jobs/test_joblib_ray.py::test_the_backend_keeps_its_promises"
OK = " s: ok\n"
# In the gate. The others end workers or wait for something, which takes seconds each.
QUICK = (
    "data_is_stored_once_per_node_and_freed",
    "every_kind_of_data",
    "changes_of_a_task_stay_with_it",
    "results_are_writable",
    "generators_share_the_workers",
)
LATE = [
    name for name in re.findall(r"^def check_(\w+)", CHECKS.read_text(), re.MULTILINE) if name not in QUICK
]


def run(nodes: Nodes, folder: Path, *names: str) -> dict[str, str]:
    """The outcome of each check. They run in a process of their own, since Ray leaves threads and files behind."""
    nodes.resize(2)
    log = folder / "log"
    env = {"RAY_ADDRESS": nodes.address, "PYTHONPATH": str(ROOT / "jobs"), "PYTHONFAULTHANDLER": "1"}
    with started(CHECKS, *names, env=env, log=log) as process:
        process.wait(600)
    found = re.split(r"^check_(\w+)\n", log.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.mark.ray
def test_the_backend_keeps_its_promises(every_node: Nodes, tmp_path: Path) -> None:
    outcomes = run(every_node, tmp_path, *QUICK)
    assert [name for name in QUICK if OK not in outcomes.get(name, "")] == [], outcomes


@pytest.mark.ray
@pytest.mark.nightly(HERE)
@pytest.mark.parametrize("name", LATE)
def test_the_backend_keeps_its_other_promises(every_node: Nodes, tmp_path: Path, name: str) -> None:
    outcome = run(every_node, tmp_path, name).get(name, "it did not run")
    assert OK in outcome, outcome
